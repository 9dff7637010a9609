/* SPDX-License-Identifier: Apache-2.0 */
#include "base/defs.h"

#include <stdio.h>
#include <stdlib.h>

void sp_assert_failed(const char *cond, const char *file, int line)
{
	(void)fprintf(stderr, "assertion failed: %s at %s:%d\n", cond, file, line); /* dying anyway */
	abort();
}
