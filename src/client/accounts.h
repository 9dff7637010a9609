/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service accounts that one process acts as: each a client of its own with the rights of its account, all
 * over the same two sets of connections (the root's, and one without its certificate). An account that is not
 * there is made; its token lasts an hour and is made anew when a fifth of that is left, or when it is not
 * taken any more. The root needs the rights to create serviceaccounts and serviceaccounts/token.
 * U: controller-manager pkg/clientbuilder.
 */
#pragma once

#include "client/call.h"

typedef struct sp_log sp_log;
typedef struct sp_accounts sp_accounts;

/* In a namespace that is there. `log` may be NULL. */
sp_code sp_accounts_new(sp_client *root, sp_log *log, sp_str ns, sp_accounts **ret, sp_err *err) SP_MUST_USE;

/* The client of an account, the same for the same name; it lives as long as the accounts. Before the start.
 */
sp_code sp_accounts_client(sp_accounts *s, sp_str name, sp_client **ret, sp_err *err) SP_MUST_USE;

/* `ready` comes once, from the loop, when each has its first token. */
void sp_accounts_start(sp_accounts *s, void (*ready)(void *arg), void *arg);

/* When no call of theirs is under way any more, before the root is freed. NULL is a no-op. */
void sp_accounts_free(sp_accounts *s);
