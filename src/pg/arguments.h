/*
 * arguments.h
 *    Arguments of SQL functions that must not be NULL.
 */
#ifndef DL_PG_ARGUMENTS_H
#define DL_PG_ARGUMENTS_H

#include "fmgr.h"

/* Raises 22004, with the names of the argument and of the function, where the argument is NULL. */
extern void dl_argument_not_null(FunctionCallInfo fcinfo, int number, const char *name);

/* The same, and the value of an argument of type text. */
extern char *dl_argument_text(FunctionCallInfo fcinfo, int number, const char *name);

/* A version: 0 for NULL or an argument that the function does not have; 22023 below 1. */
extern int	dl_argument_version(FunctionCallInfo fcinfo, int number);

#endif							/* DL_PG_ARGUMENTS_H */
