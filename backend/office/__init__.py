"""The administrator's commands at the server's shell, a module for each thing there is to look after."""
