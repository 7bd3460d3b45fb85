// Nothing but a place for the header that all libraries precompile.
