"""What runs in the browser besides the framework's own: styles, and scripts of the editor."""

from archdsl.figures.canvas.font import FAMILIES

STYLE = """
<style>
  .cm-editor { height: 100%; font-size: 13px }
  .spec-error { text-decoration: underline wavy #c0392b }
  .spec-warning { text-decoration: underline wavy #b7860b }
  .spec-line { background: #fff3c4 }
  .figure svg { width: 100%; height: auto; max-height: 62vh }
  .figure g[id] { cursor: pointer }
  .figure.old, .stages.old { opacity: 0.35 }
  .figure g.marked > * { filter: drop-shadow(0 0 1.5px #d35400) drop-shadow(0 0 1.5px #d35400) }
  .figure td, .figure th { padding: 1px 8px; border-bottom: 1px solid #eee; text-align: left }
  .stages table { border-collapse: collapse; font-size: 12px; width: 100% }
  .stages td, .stages th { padding: 1px 8px; border-bottom: 1px solid #eee; white-space: nowrap }
  .stages caption { text-align: left; padding: 4px 8px; color: #555 }
  .mistake { font-family: monospace; font-size: 12px; white-space: pre-wrap }
</style>
"""
FONTS = "".join(  # of figures, fetched once, so that their letters need not be shapes
    f"@font-face {{ font-family: '{name}'; font-weight: {weight};"
    f" src: url(/fonts/{family}/{bold}) }}"
    for family, name in FAMILIES.items()
    for bold, weight in enumerate(("normal", "bold"))
)
CLICKED = """(event) => {
  const box = event.target.closest('.figure g[id]');
  if (box) emit(box.id);
}"""
CURSOR = """(event) => {
  const view = getElement(%d).editor;
  emit(view.state.doc.lineAt(view.state.selection.main.head).number);
}"""
MARK = """
document.querySelectorAll('.figure g.marked').forEach((box) => box.classList.remove('marked'));
%s.forEach((id) => {
  const box = document.querySelector(`.figure g[id="${CSS.escape(id)}"]`);
  if (box) box.classList.add('marked');
});
"""
COMPLETE = """
const element = getElement(%d);
await element.editorPromise;
const code = await import('nicegui-codemirror');
const source = async (context) => {
  const line = context.state.doc.lineAt(context.pos), word = context.matchBefore(/[\\w$-]*/);
  const before = context.state.sliceDoc(line.from, context.pos);
  if (!context.explicit && !word.text && !/[:{[,-] $/.test(before)) return null;
  const said = {text: context.state.doc.toString(), line: line.number};
  const answer = await fetch('/offers', {
    method: 'POST', headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({...said, column: [...before].length + 1}),
  });
  if (!answer.ok || context.aborted) return null;
  const options = (await answer.json()).map((offer, place) => ({
    label: offer.label, detail: offer.detail, info: offer.doc || undefined,
    apply: offer.insert || offer.label, type: offer.kind.toLowerCase(),
    boost: Math.max(99 - place, -99),
  }));
  return {from: word.from, options, validFor: /^[\\w$-]*$/};
};
const data = code.EditorState.languageData.of(() => [{autocomplete: source}]);
element.editor.dispatch({effects: code.StateEffect.appendConfig.of(data)});
"""
INSERT = """
const view = getElement(%d).editor;
view.dispatch(view.state.replaceSelection(%s));
view.focus();
"""
KEEP = """
window.addEventListener('beforeunload', (event) => {
  if (window.unsaved) { event.preventDefault(); event.returnValue = ''; }
});
"""
