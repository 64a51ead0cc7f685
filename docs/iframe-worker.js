// The search runs in a worker, which browsers allow no page that is read from a folder: there a
// hidden frame does its work. (Zensical would fetch a package of that name from afar.)
if (location.protocol === "file:") {
  const later = (message, receive) => {  // a copy, and not at once, as between workers
    const data = structuredClone(message);
    setTimeout(() => receive({ data }));
  };

  window.Worker = class {
    constructor(address) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = "<body></body>";
      this.inside = new Promise((done) => {
        this.frame.addEventListener("load", () => this.begin(address, done), { once: true });
      });
      document.documentElement.append(this.frame);
    }

    begin(address, done) {
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => later(data, (event) => this.onmessage?.(event));
      const script = inside.document.createElement("script");
      script.src = address;
      script.onload = () => done(inside);
      script.onerror = (event) => this.onerror?.(event);
      inside.document.body.append(script);
    }

    postMessage(data) {
      this.inside.then((inside) => later(data, (event) => inside.onmessage(event)));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
