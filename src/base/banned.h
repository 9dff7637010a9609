/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before every file of src/ by a compiler flag: calls of these do not compile. Each has a
 * replacement in base or io; the time, random and socket calls would also escape the simulator. A file that
 * is the replacement itself defines SP_ALLOW_SYSCALLS in the Makefile (src/io/uv/, src/io/sys.c and tools).
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atoll atof strtol strtoul strtoll strtoull
#pragma GCC poison gmtime localtime ctime asctime mktemp tmpnam system popen
#pragma GCC poison srand srandom drand48 getenv usleep
#ifndef SP_ALLOW_SYSCALLS
/* rand: OpenSSL's headers, which src/io includes, name parameters so. */
#pragma GCC poison rand clock_gettime gettimeofday getrandom nanosleep fopen
#endif
