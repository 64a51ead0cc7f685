"""Networks as they are used: made simpler, run by the fastest engine, measured side by side."""
