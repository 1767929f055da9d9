"""The payments database: its roles, schemas and migrations."""
