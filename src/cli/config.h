/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where values of options come from, the strongest first:
 *
 *   1. flags: --secure-port=7443
 *   2. the environment: SAMPAN_SECURE_PORT=7443, for every verb that has such an option
 *   3. one YAML file, $SAMPAN_CONFIG or /etc/sampan/sampan.yaml when it is there: a section for each verb,
 *
 *          server:
 *            secure-port: 7443
 *          apiserver:
 *            audit-log-path: /var/log/sampan/audit.log
 *
 *   4. the default
 *
 * All of them are read from the verb's one table of flags, as are --help and the completion of shells. What
 * nothing knows is an error that names the nearest thing: an option in the verb's section, a section that is
 * no verb, a variable SAMPAN_… that is no verb's option.
 */
#pragma once

#include "base/arena.h"
#include "cli/flags.h"

#define CLI_ENV_PREFIX "SAMPAN_"
#define CLI_CONFIG_FILE "/etc/sampan/sampan.yaml"

/* Sets what file and environment say about the options of a verb. `env` is environ's form. Texts are copied
 * into the arena. SP_EINVAL names file or variable. */
sp_code cli_config_apply(sp_arena *a, const char *verb, const cli_flag *flags, size_t n,
			 const char *const *env, sp_err *err) SP_MUST_USE;
