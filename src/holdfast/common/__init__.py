"""What every part uses: checks of arrays and parameters, files, plain values."""
