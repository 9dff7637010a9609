/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash: keyed hashing of text that outsiders choose (header names, label keys). */
#pragma once

#include "base/str.h"

typedef struct sp_hash_key {
	uint64_t k0, k1;
} sp_hash_key;

/* SipHash-1-3, for tables. U: the SipHash paper, with 1 compression and 3 finalisation rounds. */
uint64_t sp_siphash13(sp_hash_key key, const void *bytes, size_t n);

/*
 * The process's table seed. Zero until it is set, once, at start from the world's random source; tests and
 * the simulator set it from their own seed, so runs repeat.
 */
void sp_hash_seed_set(sp_hash_key key);
sp_hash_key sp_hash_seed(void);

/* FNV-1a, 64 bits, unkeyed: for values that are stored or compared across processes. */
uint64_t sp_fnv1a64(sp_str s);
/* FNV-1, 32 bits: as Go's fnv.New32, for names that upstream makes of it. */
uint32_t sp_fnv1_32(sp_str s);
