"""Who may ask what: keys with scopes, and the record of what was asked."""
