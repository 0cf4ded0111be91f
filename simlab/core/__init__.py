"""What all rooms stand on: devices, files, checks of arguments, errors, compiled code and its cache."""
