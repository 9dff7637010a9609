/* SPDX-License-Identifier: Apache-2.0 */
#include "base/defs.h"

#include <stdio.h>
#include <stdlib.h>

static void (*on_fail)(void);

void sp_assert_on_fail(void (*fn)(void))
{
	on_fail = fn;
}

void sp_assert_failed(const char *cond, const char *file, int line)
{
	(void)fprintf(stderr, "assertion failed: %s at %s:%d\n", cond, file, line); /* dying anyway */
	void (*fn)(void) = on_fail;
	on_fail = NULL; /* it may itself fail */
	if (fn != NULL)
		fn();
	abort();
}
