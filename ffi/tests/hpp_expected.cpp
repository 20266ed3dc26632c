// The same program with failures as values.
#define HBL_EXPECTED
#include "hpp.cpp"
