/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube-apiserver's --admission-control-config-file: what plugins are told beside their names. EventRateLimit,
 * PodNodeSelector, PodSecurity and PodTolerationRestriction take a configuration here; it is checked when it
 * is read, also that of a plugin that is off. U: apiserver pkg/admission/config.go
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "io/world.h"

typedef struct api_admission_config api_admission_config;

/*
 * From the text of an AdmissionConfiguration (or, the old way, PodNodeSelector's alone), YAML or JSON. `dir`
 * is where relative paths in it begin; files it names are read from `w`, at once. SP_EINVAL says which member
 * is wrong; others: those of reading. One owner, ended by free.
 */
sp_code api_admission_config_new(sp_world *w, sp_str dir, sp_str text, api_admission_config **ret,
				 sp_err *err) SP_MUST_USE;
void api_admission_config_free(api_admission_config *c);

/* What a plugin is told; NULL: nothing. `c` may be NULL. The tree is not to be changed. */
yyjson_mut_val *api_admission_config_of(const api_admission_config *c, const char *plugin);
