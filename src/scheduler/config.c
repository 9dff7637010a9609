/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/config.h"

#include "base/yaml.h"
#include "io/file.h"
#include "scheduler/config_int.h"
#include "scheduler/plugins/plugins.h"

#define CONFIG_BYTES_MAX ((size_t)1 << 20)
#define SECOND_NS UINT64_C(1000000000)

void sched_config_default(sched_config *c)
{
	*c = (sched_config){
		.n_profiles = 1, .initial_backoff_ns = SECOND_NS, .max_backoff_ns = 10 * SECOND_NS};
	sched_profile_default(&c->profiles[0], true);
}

/* -- members -------------------------------------------------------------------------------------------- */

sp_code sched_config_members(yyjson_val *object, const char *where, const sched_config_member *list, size_t n,
			     void *arg, sp_err *err)
{
	if (object == NULL || yyjson_is_null(object))
		return SP_OK;
	if (!yyjson_is_obj(object))
		return sp_fail(err, SP_EINVAL, "%s is not an object", where);
	yyjson_obj_iter it = yyjson_obj_iter_with(object);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		size_t i = 0;
		while (i < n && !sp_str_eq(sp_json_str(key), sp_str_c(list[i].name)))
			i++;
		if (i == n)
			return sp_fail(err, SP_EINVAL, "%s: unknown field \"" SP_FMT "\"", where,
				       SP_ARG(sp_json_str(key)));
		if (list[i].read != NULL)
			SP_TRY(list[i].read(arg, yyjson_obj_iter_get_val(key), err));
	}
	return SP_OK;
}

/* -- plugin sets ---------------------------------------------------------------------------------------- */

/* Plugins of upstream that this scheduler has in other forms (queue order, binding) or not at all. */
static const char *const no_functions[] = {"PrioritySort", "DefaultBinder", "GangScheduling"};

static bool find_plugin(sp_str name, size_t *ret)
{
	for (*ret = 0; *ret < SCHED_PLUGINS_; (*ret)++) {
		if (sp_str_eq(name, sp_str_c(sched_plugins[*ret]->name)))
			return true;
	}
	return false;
}

static bool is_known(sp_str name, size_t *ret)
{
	if (find_plugin(name, ret))
		return true;
	for (size_t i = 0; i < SP_LEN(no_functions); i++) {
		if (sp_str_eq(name, sp_str_c(no_functions[i])))
			return true;
	}
	return false;
}

/* What an extension point switches. */
typedef struct set_ctx {
	sched_profile *p;
	bool filters, scores, preempts;
} set_ctx;

static void put_plugin(const set_ctx *c, size_t id, bool on, int64_t weight)
{
	sched_profile *p = c->p;
	if (c->filters)
		p->filters[id] = on;
	if (c->scores && sched_plugins[id]->score != NULL) {
		p->scores[id] = on;
		if (on && weight > 0)
			p->weights[id] = weight;
		else if (on && p->weights[id] == 0)
			p->weights[id] = 1;
	}
	if (c->preempts && id == SCHED_P_DEFAULT_PREEMPTION)
		p->preempts = on;
}

static sp_code switch_plugins(const set_ctx *c, yyjson_val *list, bool on, sp_err *err)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		sp_str name = sp_json_str(yyjson_obj_get(v, "name"));
		size_t id;
		if (!on && sp_str_eq(name, SP_STR("*"))) {
			for (id = 0; id < SCHED_PLUGINS_; id++)
				put_plugin(c, id, false, 0);
			continue;
		}
		if (!is_known(name, &id))
			return sp_fail(err, SP_EINVAL, "plugins: there is no plugin \"" SP_FMT "\"",
				       SP_ARG(name));
		if (id < SCHED_PLUGINS_)
			put_plugin(c, id, on, yyjson_get_sint(yyjson_obj_get(v, "weight")));
	}
	return SP_OK;
}

static sp_code read_set(set_ctx c, yyjson_val *set, sp_err *err)
{
	static const sched_config_member members[] = {{"enabled", NULL}, {"disabled", NULL}};
	SP_TRY(sched_config_members(set, "plugins", members, SP_LEN(members), NULL, err));
	SP_TRY(switch_plugins(&c, yyjson_obj_get(set, "disabled"), false, err));
	return switch_plugins(&c, yyjson_obj_get(set, "enabled"), true, err);
}

static sp_code read_multi(void *arg, yyjson_val *v, sp_err *err)
{
	return read_set((set_ctx){arg, true, true, true}, v, err);
}
static sp_code read_filter(void *arg, yyjson_val *v, sp_err *err)
{
	return read_set((set_ctx){.p = arg, .filters = true}, v, err);
}
static sp_code read_score(void *arg, yyjson_val *v, sp_err *err)
{
	return read_set((set_ctx){.p = arg, .scores = true}, v, err);
}
static sp_code read_post_filter(void *arg, yyjson_val *v, sp_err *err)
{
	return read_set((set_ctx){.p = arg, .preempts = true}, v, err);
}
/* Points where nothing can be switched: names are still checked. */
static sp_code read_other(void *arg, yyjson_val *v, sp_err *err)
{
	return read_set((set_ctx){.p = arg}, v, err);
}

static sp_code read_plugins(void *arg, yyjson_val *v, sp_err *err)
{
	static const sched_config_member members[] = {
		{"multiPoint", NULL},       {"preEnqueue", read_other}, {"queueSort", read_other},
		{"preFilter", read_filter}, {"filter", read_filter},    {"postFilter", read_post_filter},
		{"preScore", read_other},   {"score", read_score},      {"reserve", read_other},
		{"permit", read_other},     {"preBind", read_other},    {"bind", read_other},
		{"postBind", read_other},
	};
	/* What holds for all points comes first, wherever it stands. */
	SP_TRY(read_multi(((sched_profile_reader *)arg)->profile, yyjson_obj_get(v, "multiPoint"), err));
	return sched_config_members(v, "plugins", members, SP_LEN(members),
				    ((sched_profile_reader *)arg)->profile, err);
}

/* -- profiles ------------------------------------------------------------------------------------------- */

static sp_code read_name(void *arg, yyjson_val *v, sp_err *err)
{
	sched_profile_reader *r = arg;
	r->profile->scheduler_name = sp_json_str(v);
	return r->profile->scheduler_name.len > 0
		       ? SP_OK
		       : sp_fail(err, SP_EINVAL, "profiles: schedulerName is empty");
}

static sp_code read_profile(sp_arena *a, yyjson_val *v, sched_profile *p, sp_err *err)
{
	static const sched_config_member members[] = {{"schedulerName", read_name},
						      {"percentageOfNodesToScore", NULL},
						      {"plugins", read_plugins},
						      {"pluginConfig", sched_config_plugin_args}};
	sched_profile_reader r = {a, p};
	return sched_config_members(v, "profiles", members, SP_LEN(members), &r, err);
}

typedef struct reader {
	sp_arena *arena;
	sched_config *config;
} reader;

static sp_code read_profiles(void *arg, yyjson_val *list, sp_err *err)
{
	reader *r = arg;
	sched_config *c = r->config;
	size_t n = yyjson_arr_size(list);
	if (n > SCHED_PROFILES_MAX)
		return sp_fail(err, SP_EINVAL, "profiles: more than %u", SCHED_PROFILES_MAX);
	if (n == 0)
		return SP_OK;
	c->n_profiles = 0;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; c->n_profiles++) {
		sched_profile *p = &c->profiles[c->n_profiles];
		sched_profile_default(p, true);
		p->number = (uint32_t)c->n_profiles;
		SP_TRY(read_profile(r->arena, v, p, err));
		for (size_t i = 0; i < c->n_profiles; i++) {
			if (sp_str_eq(c->profiles[i].scheduler_name, p->scheduler_name))
				return sp_fail(err, SP_EINVAL, "profiles: schedulerName " SP_FMT " twice",
					       SP_ARG(p->scheduler_name));
		}
	}
	return SP_OK;
}

/* -- the whole ------------------------------------------------------------------------------------------ */

static sp_code read_seconds(yyjson_val *v, const char *where, uint64_t *ret_ns, sp_err *err)
{
	if (!yyjson_is_int(v) || yyjson_get_sint(v) < 0 || yyjson_get_sint(v) > 86400)
		return sp_fail(err, SP_EINVAL, "%s is a number of seconds", where);
	*ret_ns = (uint64_t)yyjson_get_sint(v) * SECOND_NS;
	return SP_OK;
}
static sp_code read_initial(void *arg, yyjson_val *v, sp_err *err)
{
	return read_seconds(v, "podInitialBackoffSeconds", &((reader *)arg)->config->initial_backoff_ns, err);
}
static sp_code read_max(void *arg, yyjson_val *v, sp_err *err)
{
	return read_seconds(v, "podMaxBackoffSeconds", &((reader *)arg)->config->max_backoff_ns, err);
}

static sp_code read_extenders(void *arg, yyjson_val *v, sp_err *err)
{
	(void)arg;
	return yyjson_arr_size(v) == 0 ? SP_OK : sp_fail(err, SP_EUNSUPPORTED, "extenders are not supported");
}

static sp_code check_kind(yyjson_val *root, sp_err *err)
{
	sp_str api = sp_json_str(yyjson_obj_get(root, "apiVersion")),
	       kind = sp_json_str(yyjson_obj_get(root, "kind"));
	if (!sp_str_eq(api, SP_STR("kubescheduler.config.k8s.io/v1")) ||
	    !sp_str_eq(kind, SP_STR("KubeSchedulerConfiguration")))
		return sp_fail(err, SP_EINVAL,
			       "not a kubescheduler.config.k8s.io/v1 KubeSchedulerConfiguration");
	return SP_OK;
}

sp_code sched_config_parse(sp_arena *a, sp_str text, sched_config *ret, sp_err *err)
{
	static const sched_config_member members[] = {
		{"apiVersion", NULL},
		{"kind", NULL},
		{"parallelism", NULL},
		{"percentageOfNodesToScore", NULL},
		{"leaderElection", NULL},
		{"clientConnection", NULL},
		{"healthzBindAddress", NULL},
		{"metricsBindAddress", NULL},
		{"enableProfiling", NULL},
		{"enableContentionProfiling", NULL},
		{"delayCacheUntilActive", NULL},
		{"podInitialBackoffSeconds", read_initial},
		{"podMaxBackoffSeconds", read_max},
		{"profiles", read_profiles},
		{"extenders", read_extenders},
	};
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *tree = NULL;
	yyjson_val *root = NULL;
	reader r = {a, ret};
	if (doc == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the configuration");
	SP_TRY(sp_yaml_parse(a, text, doc, NULL, &tree, err));
	SP_AUTO_BUF json;
	sp_buf_init(&json, CONFIG_BYTES_MAX * 4);
	SP_TRY(sp_json_write_mut(&json, tree));
	SP_TRY(sp_json_parse(a, sp_buf_view(&json), &root, err));
	SP_TRY(check_kind(root, err));
	sched_config_default(ret);
	return sched_config_members(root, "the configuration", members, SP_LEN(members), &r, err);
}

sp_code sched_config_load(sp_world *w, sp_arena *a, sp_str path, sched_config *ret, sp_err *err)
{
	sp_str text;
	SP_TRY(sp_file_read_arena(w, path, a, CONFIG_BYTES_MAX, &text, err));
	sp_code code = sched_config_parse(a, text, ret, err);
	return code == SP_OK ? SP_OK : sp_wrap(err, SP_FMT, SP_ARG(path));
}
