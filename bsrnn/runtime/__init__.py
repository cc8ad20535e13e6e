"""What any program needs and no paper describes: files, paths, devices, the Hub."""
