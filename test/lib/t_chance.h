/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chance for OpenSSL that comes from the test's seed: keys and signatures (an ECDSA signature has a nonce)
 * are the same in two runs of one seed, and so is what they are carried in: tokens, certificates, the order
 * of what waits for them.
 */
#ifndef TEST_LIB_T_CHANCE_H
#define TEST_LIB_T_CHANCE_H

#include <stdint.h>

/* For the rest of the process, which has one thread that asks. */
void t_chance_seed(uint64_t seed);

#endif
