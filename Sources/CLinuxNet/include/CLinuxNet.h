// Kernel headers that the Glibc module lacks.
