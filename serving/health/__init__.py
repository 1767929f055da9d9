"""Whether the service and what it depends on are well."""
