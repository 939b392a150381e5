#include <Python.h>
#include <libpq-fe.h>
