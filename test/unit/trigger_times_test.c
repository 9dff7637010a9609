/* SPDX-License-Identifier: Apache-2.0 */
/* Which change a write of endpoints carries on. */
#include "lib/t.h"
#include "controllers/trigger_times.h"

#define CREATED SP_STR("2026-01-01T00:00:00Z")

static void unref(void *o)
{
	sp_object_unref(o);
}

/* A pod whose Ready condition changed then; NULL: it has none. */
static bool make(svc_pod *ret, const char *name, const char *time)
{
	const sp_object *o = NULL;
	yyjson_val *v;
	*ret = (svc_pod){.object = NULL};
	if (sp_object_parse(
		    T_ARENA,
		    sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"n\"}}", name),
		    NULL, &o, T_ERR) != SP_OK)
		return false;
	T_DEFER(unref, (void *)(uintptr_t)o);
	ret->object = o;
	if (time == NULL)
		return true;
	if (sp_json_parse(
		    T_ARENA,
		    sp_arena_printf(T_ARENA, "[{\"type\":\"Ready\",\"lastTransitionTime\":\"%s\"}]", time),
		    &v, T_ERR) != SP_OK)
		return false;
	ret->conditions = (sp_vlist){.first = yyjson_arr_get_first(v), .n = 1};
	return true;
}

static void done(void *t)
{
	trigger_times_done(t);
}

SP_TEST(trigger_times, the_earliest_of_what_changed)
{
	trigger_times *t = sp_new(T_ARENA, trigger_times, 1);
	svc_pod pods[3];
	sp_str got = SP_STR("");
	T_DEFER(done, t);
	T_TRUE(make(&pods[0], "a", "2026-01-01T00:00:09Z") && make(&pods[1], "b", NULL) &&
	       make(&pods[2], "c", "2026-01-01T00:00:07Z"));
	/* The first look: the service's own. */
	T_OK(trigger_times_look(t, SP_STR("n/s"), CREATED, pods, 3, &got, T_ERR));
	T_EQ_C(got, "2026-01-01T00:00:00Z");
	T_OK(trigger_times_look(t, SP_STR("n/s"), CREATED, pods, 3, &got, T_ERR));
	T_EQ_C(got, "");
	/* Two changed, one went. */
	T_TRUE(make(&pods[0], "b", "2026-01-01T00:00:12Z") && make(&pods[1], "c", "2026-01-01T00:00:11Z"));
	T_OK(trigger_times_look(t, SP_STR("n/s"), CREATED, pods, 2, &got, T_ERR));
	T_EQ_C(got, "2026-01-01T00:00:11Z");
	/* One that is new again counts, however old. */
	T_TRUE(make(&pods[0], "a", "2026-01-01T00:00:09Z") && make(&pods[1], "b", "2026-01-01T00:00:12Z") &&
	       make(&pods[2], "c", "2026-01-01T00:00:10Z"));
	T_OK(trigger_times_look(t, SP_STR("n/s"), CREATED, pods, 3, &got, T_ERR));
	T_EQ_C(got, "2026-01-01T00:00:09Z");
	trigger_times_forget(t, SP_STR("n/s"));
	T_OK(trigger_times_look(t, SP_STR("n/s"), CREATED, pods, 0, &got, T_ERR));
	T_EQ_C(got, "2026-01-01T00:00:00Z");
}

SP_TEST(trigger_times, annotations_of_others_stay)
{
	yyjson_val *v;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1000);
	T_OK(sp_json_parse(T_ARENA, SP_STR("{\"a\":\"b\",\"" TRIGGER_TIME "\":\"x\",\"over\":\"y\"}"), &v,
			   T_ERR));
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	trigger_time_write(&j, (sp_vmap){.object = v}, "over", CREATED);
	sp_jout_close(&j, '}');
	T_OK(sp_buf_code(&out));
	T_EQ_C(sp_buf_view(&out), "{\"a\":\"b\",\"" TRIGGER_TIME "\":\"2026-01-01T00:00:00Z\"}");
}
