"""Who there is and by what they are known: roles, names, tokens, passwords, second factors. No database, no routes."""
