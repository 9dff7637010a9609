/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that read the configuration. */
#pragma once

#include "scheduler/config.h"

/* One member of an object and who reads it; NULL: it is accepted and changes nothing. */
typedef struct sched_config_member {
	const char *name;
	sp_code (*read)(void *arg, yyjson_val *v, sp_err *err);
} sched_config_member;

/* Reads all members of an object; one that is not in the list is an error. Absent and null are fine. */
sp_code sched_config_members(yyjson_val *object, const char *where, const sched_config_member *list, size_t n,
			     void *arg, sp_err *err) SP_MUST_USE;

typedef struct sched_profile_reader {
	sp_arena *arena;
	sched_profile *profile;
} sched_profile_reader;

/* pluginConfig; `arg` is an sched_profile_reader. */
sp_code sched_config_plugin_args(void *arg, yyjson_val *list, sp_err *err) SP_MUST_USE;
