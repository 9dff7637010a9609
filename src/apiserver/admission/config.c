/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/config.h"

#include "apiserver/admission/config_check.h"
#include "base/alloc.h"
#include "base/yaml.h"
#include "io/file.h"

#define CONFIG_BYTES_MAX ((size_t)4 << 20)
#define FILE_BYTES_MAX ((size_t)1 << 20)

#define NODE_SELECTOR "PodNodeSelector"
#define NODE_SELECTOR_MEMBER "podNodeSelectorPluginConfig"

static const char *const admission_versions[] = {
	"apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1alpha1", "apiserver.k8s.io/v1alpha1"};
static const char *const pod_security_versions[] = {"pod-security.admission.config.k8s.io/v1",
						    "pod-security.admission.config.k8s.io/v1beta1",
						    "pod-security.admission.config.k8s.io/v1alpha1"};
static const char *const rate_versions[] = {"eventratelimit.admission.k8s.io/v1alpha1"};
static const char *const toleration_versions[] = {"podtolerationrestriction.admission.k8s.io/v1alpha1"};

/* Who takes a configuration, and of which kind; without one it has neither kind nor version. */
static const struct {
	const char *plugin, *kind;
	const char *const *versions;
	size_t n_versions;
	void (*check)(sp_violations *v, yyjson_mut_val *config);
} configured[] = {
	{"EventRateLimit", "Configuration", rate_versions, SP_LEN(rate_versions),
	 api_config_check_event_rate},
	{NODE_SELECTOR, NULL, NULL, 0, api_config_check_node_selector},
	{"PodSecurity", "PodSecurityConfiguration", pod_security_versions, SP_LEN(pod_security_versions),
	 api_config_check_pod_security},
	{"PodTolerationRestriction", "Configuration", toleration_versions, SP_LEN(toleration_versions),
	 api_config_check_tolerations},
};

struct api_admission_config {
	sp_arena arena;
	sp_world *world;
	sp_str dir;
	yyjson_mut_doc *doc;
	yyjson_mut_val *of[SP_LEN(configured)];
};

static sp_code parse(api_admission_config *c, sp_str text, yyjson_mut_val **ret, sp_err *err)
{
	sp_str twice;
	SP_TRY(sp_yaml_parse(&c->arena, text, c->doc, &twice, ret, err));
	if (twice.len > 0)
		return sp_fail(err, SP_EINVAL, SP_FMT, SP_ARG(twice));
	return SP_OK;
}

/* ---- of one plugin ---- */

static sp_code check(api_admission_config *c, size_t i, yyjson_mut_val *config, sp_err *err)
{
	const char *plugin = configured[i].plugin, *kind = configured[i].kind;
	sp_violations v;
	if (!yyjson_mut_is_obj(config))
		return sp_fail(err, SP_EINVAL, "the configuration of %s is no object", plugin);
	if (kind != NULL &&
	    (!sp_kv_is(config, "kind", kind) ||
	     !sp_str_in(sp_kv_str(config, "apiVersion"), configured[i].versions, configured[i].n_versions)))
		return sp_fail(err, SP_EINVAL, "the configuration of %s is no %s of %s", plugin, kind,
			       configured[i].versions[0]);
	sp_violations_init(&v, &c->arena);
	configured[i].check(&v, config);
	if (v.code != SP_OK)
		return sp_fail(err, v.code, "no room for what is wrong with the configuration of %s", plugin);
	if (v.n == 0)
		return SP_OK;
	sp_str text = sp_violations_text(&c->arena, &v);
	return sp_fail(err, SP_EINVAL, "the configuration of %s: " SP_FMT, plugin, SP_ARG(text));
}

static sp_code read_file(api_admission_config *c, sp_str path, yyjson_mut_val **ret, sp_err *err)
{
	sp_str text;
	if (path.ptr[0] != '/')
		path = SP_CONCAT(&c->arena, c->dir, SP_STR("/"), path);
	SP_TRY(sp_file_read_arena(c->world, path, &c->arena, FILE_BYTES_MAX, &text, err));
	return parse(c, text, ret, err);
}

static size_t index_of(sp_str plugin)
{
	size_t i = 0;
	while (i < SP_LEN(configured) && !sp_str_eq(plugin, sp_str_c(configured[i].plugin)))
		i++;
	return i;
}

/* As upstream the first of a name counts, and what is told in place before a file. */
static sp_code take_plugin(api_admission_config *c, yyjson_mut_val *entry, sp_err *err)
{
	static const char *const members[] = {"name", "path", "configuration"};
	sp_str name = sp_kv_str(entry, "name"), path = sp_kv_str(entry, "path");
	yyjson_mut_val *config = sp_kv_get(entry, "configuration");
	size_t i = index_of(name);
	SP_TRY(api_config_check_members(entry, "plugins.", members, SP_LEN(members), err));
	if (i == SP_LEN(configured))
		return sp_fail(err, SP_EINVAL, "admission plugin \"" SP_FMT "\" takes no configuration here",
			       SP_ARG(name));
	if (c->of[i] != NULL)
		return SP_OK;
	if (config == NULL && path.len == 0)
		return SP_OK;
	if (config == NULL)
		SP_TRY(read_file(c, path, &config, err));
	SP_TRY(check(c, i, config, err));
	c->of[i] = config;
	return SP_OK;
}

/* ---- the whole ---- */

static sp_code take_all(api_admission_config *c, yyjson_mut_val *all, sp_err *err)
{
	static const char *const members[] = {"apiVersion", "kind", "plugins"};
	if (sp_kv_has(all, NODE_SELECTOR_MEMBER) && !sp_kv_has(all, "kind")) {
		size_t i = index_of(SP_STR(NODE_SELECTOR));
		c->of[i] = all;
		return check(c, i, all, err);
	}
	if (!sp_kv_is(all, "kind", "AdmissionConfiguration") ||
	    !SP_STR_IN(sp_kv_str(all, "apiVersion"), admission_versions))
		return sp_fail(err, SP_EINVAL, "no AdmissionConfiguration of %s", admission_versions[0]);
	SP_TRY(api_config_check_members(all, "", members, SP_LEN(members), err));
	SP_KV_EACH (entry, i, sp_kv_list(all, "plugins"))
		SP_TRY(take_plugin(c, entry, err));
	return SP_OK;
}

sp_code api_admission_config_new(sp_world *w, sp_str dir, sp_str text, api_admission_config **ret,
				 sp_err *err)
{
	yyjson_mut_val *all = NULL;
	api_admission_config *c = SP_NEW(api_admission_config);
	sp_arena_init(&c->arena, CONFIG_BYTES_MAX);
	c->world = w;
	c->dir = dir;
	c->doc = sp_json_doc(&c->arena);
	sp_code code = c->doc == NULL ? sp_fail(err, SP_ENOMEM, "no room for the admission configuration")
				      : parse(c, text, &all, err);
	if (code == SP_OK)
		code = take_all(c, all, err);
	if (code == SP_OK)
		*ret = c;
	else
		api_admission_config_free(c);
	return code;
}

void api_admission_config_free(api_admission_config *c)
{
	if (c == NULL)
		return;
	sp_arena_done(&c->arena);
	sp_free(c);
}

yyjson_mut_val *api_admission_config_of(const api_admission_config *c, const char *plugin)
{
	size_t i = index_of(sp_str_c(plugin));
	return c == NULL || i == SP_LEN(configured) ? NULL : c->of[i];
}
