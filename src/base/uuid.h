/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#define SP_UUID_BYTES 16u
#define SP_UUID_TEXT_BYTES 36u

/* The text of a UUID, version 4, made of random bytes (of which six bits are not used); without a NUL. */
void sp_uuid_print(char ret[SP_UUID_TEXT_BYTES], const uint8_t random[SP_UUID_BYTES]);
