"""The `minidl` command: one module per subcommand, put together in `minidl.cli.main`."""
