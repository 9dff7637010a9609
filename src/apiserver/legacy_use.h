/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When tokens in secrets were used last: the label kubernetes.io/legacy-token-last-used of their secrets, a
 * day in UTC. The controller that takes unused ones away goes by it. U: kubernetes
 * pkg/serviceaccount/legacy.go patchSecretWithLastUsedDate.
 */
#pragma once

#include "base/str.h"

struct api_server;
typedef struct api_legacy_uses api_legacy_uses;

/* Aborts without memory. */
api_legacy_uses *api_legacy_uses_new(void);
/* Writes nothing more; writes under way are finished by the store without it. NULL is a no-op. */
void api_legacy_uses_free(api_legacy_uses *u);

/*
 * A token of that secret was shown just now. Writes the label unless it says today (or tomorrow: another
 * server's clock). Nothing is told of a write that fails, or of more than 64 at a time: the next use writes.
 */
void api_legacy_used(struct api_server *s, sp_str ns, sp_str secret);
