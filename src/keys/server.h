/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a vault behind a unix socket (keys/messages.h). Only processes of the users that are named may
 * speak at all: others are cut off before a byte of theirs is read. */
#pragma once

#include "base/log.h"
#include "keys/vault.h"

#define KEYS_USERS_MAX 8u

typedef struct keys_server keys_server;

typedef struct keys_server_opts {
	keys_vault *vault; /* outlives the server */
	sp_log *log;
	sp_str address; /* "unix:/run/sampan/keys/keys.sock" */
	uint32_t users[KEYS_USERS_MAX];
	size_t n_users;
} keys_server_opts;

sp_code keys_server_new(sp_world *w, const keys_server_opts *o, keys_server **ret, sp_err *err) SP_MUST_USE;
/* done comes once, when no connection is left. */
void keys_server_close(keys_server *s, void (*done)(void *arg), void *arg);
/* After close's done. NULL is a no-op. */
void keys_server_free(keys_server *s);
/* Clients ask again after that time for the keys of tokens. */
#define KEYS_REFRESH_SECONDS 60
