/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/t_chance.h"

#include "base/defs.h"

/* RAND_METHOD is deprecated for programs; the way that replaces it, a provider, needs OpenSSL 3.1 to be
 * chosen for what is not asked by name. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/rand.h>

static uint64_t state;

static uint64_t next(void)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int bytes(unsigned char *out, int n)
{
	for (int i = 0; i < n; i++)
		out[i] = (unsigned char)next();
	return 1;
}

static int status(void)
{
	return 1;
}

void t_chance_seed(uint64_t seed)
{
	static const RAND_METHOD method = {.bytes = bytes, .pseudorand = bytes, .status = status};
	state = seed;
	SP_ASSERT(RAND_set_rand_method(&method) == 1);
}
