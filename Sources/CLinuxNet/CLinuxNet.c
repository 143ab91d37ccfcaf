// Header-only target; SwiftPM wants one file to compile.
