# Written by the tools part: install rules and the exported package.
