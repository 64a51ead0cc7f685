"""Expressions, templates and scaling rules, which know nothing of YAML."""
