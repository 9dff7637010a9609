/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/registry.h"
#include "lib/t.h"

/* Inits and stops write the plugin's id here. */
static sp_buf trail;

static void trail_begin(void)
{
	sp_buf_init(&trail, 4096);
	T_DEFER(sp_buf_done, &trail);
}

#define PLUGIN(name)                                                                            \
	static sp_code init_##name(sp_registry *r, void *arg, void **ret_instance, sp_err *err) \
	{                                                                                       \
		(void)r;                                                                        \
		(void)err;                                                                      \
		sp_buf_printf(&trail, "+" #name);                                               \
		*ret_instance = arg;                                                            \
		return SP_OK;                                                                   \
	}                                                                                       \
	static void stop_##name(void *instance)                                                 \
	{                                                                                       \
		(void)instance;                                                                 \
		sp_buf_printf(&trail, "-" #name);                                               \
	}
PLUGIN(a)
PLUGIN(b)
PLUGIN(c)
PLUGIN(d)

static sp_code init_fails(sp_registry *r, void *arg, void **ret_instance, sp_err *err)
{
	(void)r;
	(void)arg;
	(void)ret_instance;
	return sp_fail(err, SP_EIO, "disk is full");
}
static sp_code init_absent(sp_registry *r, void *arg, void **ret_instance, sp_err *err)
{
	(void)r;
	(void)arg;
	(void)ret_instance;
	return sp_fail(err, SP_EUNSUPPORTED, "no btrfs here");
}

static sp_registry *fresh(void)
{
	trail_begin();
	sp_registry *r = sp_registry_new();
	T_DEFER(sp_registry_free, r);
	return r;
}

/* A plugin in the test's arena; the requirements are C strings, ended by NULL. */
__attribute__((sentinel)) static const sp_plugin *make(const char *type, const char *id, const sp_plugin *fns,
						       ...)
{
	sp_plugin *p = sp_new(T_ARENA, sp_plugin, 1);
	sp_str *list = sp_new(T_ARENA, sp_str, 4);
	*p = *fns;
	p->type = sp_str_c(type);
	p->id = sp_str_c(id);
	p->requirements = list;
	va_list ap;
	va_start(ap, fns);
	const char *q;
	while ((q = va_arg(ap, const char *)) != NULL)
		list[p->n_requirements++] = sp_str_c(q);
	va_end(ap);
	return p;
}
#define P(type, name, ...) \
	make(type, #name, &(const sp_plugin){.init = init_##name, .stop = stop_##name}, ##__VA_ARGS__, NULL)

SP_TEST(registry, starts_after_what_is_required_and_stops_in_reverse)
{
	trail_begin();
	sp_registry *r = sp_registry_new();
	T_DEFER(sp_registry_free, r);
	int arg = 0;
	T_OK(sp_registry_add(r, P("t.last", d, "*"), "w", T_ERR));
	T_OK(sp_registry_add(r, P("t.x", a, "t.y"), "w", T_ERR));
	T_OK(sp_registry_add(r, P("t.y", b), "w", T_ERR));
	T_OK(sp_registry_add(r, P("t.y", c, "t.z.none"), "w", T_ERR));
	T_OK(sp_registry_start(r, NULL, 0, &arg, T_ERR));
	T_EQ_C(sp_buf_view(&trail), "+b+a+d");
	T_EQ_C(sp_registry_at(r, 0)->uri, "t.y.b");
	T_TRUE(sp_registry_first(r, SP_STR("t.y"))->instance == &arg);
	T_TRUE(sp_registry_first(r, SP_STR("t.none")) == NULL);
	T_EQ_C(sp_registry_find(r, SP_STR("t.y.c"))->reason, "requires 't.z.none', which is not registered");
}

SP_TEST(registry, stops_in_reverse)
{
	trail_begin();
	sp_registry *r = sp_registry_new();
	sp_code code = sp_registry_add(r, P("t.x", a, "t.y"), "w", T_ERR);
	code = code != SP_OK ? code : sp_registry_add(r, P("t.y", b), "w", T_ERR);
	code = code != SP_OK ? code : sp_registry_start(r, NULL, 0, NULL, T_ERR);
	sp_registry_free(r);
	T_OK(code);
	T_EQ_C(sp_buf_view(&trail), "+b+a-a-b");
}

SP_TEST(registry, a_uri_twice_names_both_registrants)
{
	sp_registry *r = fresh();
	T_OK(sp_registry_add(r, P("t", a), "one.c", T_ERR));
	T_OK(sp_registry_add(r, P("u", a), "two.c", T_ERR)); /* the id alone may repeat */
	sp_err err = {0};
	T_CODE(sp_registry_add(r, P("t", a), "three.c", &err), SP_EEXISTS);
	T_EQ_C(sp_str_c(err.msg), "plugin 't.a' is registered twice: by one.c and by three.c");
	T_EQ_U64(sp_registry_count(r), 2);
}

SP_TEST(registry, bad_plugins_are_refused)
{
	sp_registry *r = fresh();
	sp_err err = {0};
	sp_plugin p = {.type = SP_STR("t"), .id = SP_STR("")};
	T_CODE(sp_registry_add(r, &p, "w", &err), SP_EINVAL);
	T_CODE(sp_registry_add(r, P("t", a, "*", "u"), "w", &err), SP_EINVAL);
	T_EQ_C(sp_str_c(err.msg), "plugin 't.a' requires '*' beside others");
	T_CODE(sp_registry_add(r, P("t", a, "t"), "w", &err), SP_EINVAL);
	T_CODE(sp_registry_add(r, P("t", a, "t.a"), "w", &err), SP_EINVAL);
	T_EQ_C(sp_str_c(err.msg), "plugin 't.a' requires its own type or itself");
}

SP_TEST(registry, cycles_are_named_from_end_to_end)
{
	sp_registry *r = fresh();
	T_OK(sp_registry_add(r, P("t", d, "u"), "d.c", T_ERR));
	T_OK(sp_registry_add(r, P("u", a, "v.b"), "a.c", T_ERR));
	T_OK(sp_registry_add(r, P("v", b, "w"), "b.c", T_ERR));
	T_OK(sp_registry_add(r, P("w", c, "u.a"), "c.c", T_ERR));
	sp_err err = {0};
	T_CODE(sp_registry_start(r, NULL, 0, NULL, &err), SP_EINVAL);
	T_EQ_C(sp_str_c(err.msg), "plugins require each other: u.a (a.c) -> v.b (b.c) -> w.c (c.c) -> u.a");
	T_EQ_C(sp_buf_view(&trail), "");
}

SP_TEST(registry, what_does_not_run_takes_no_other_down)
{
	sp_registry *r = fresh();
	static const sp_plugin fails = {.type = SP_STR_INIT("f"), .id = SP_STR_INIT("x"), .init = init_fails};
	static const sp_plugin absent = {
		.type = SP_STR_INIT("g"), .id = SP_STR_INIT("x"), .init = init_absent};
	T_OK(sp_registry_add(r, &fails, "w", T_ERR));
	T_OK(sp_registry_add(r, &absent, "w", T_ERR));
	T_OK(sp_registry_add(r, P("n", a, "f"), "w", T_ERR));
	T_OK(sp_registry_add(r, P("n", b, "n.a"), "w", T_ERR));
	T_OK(sp_registry_add(r, P("o", c, "g"), "w", T_ERR));
	T_OK(sp_registry_add(r, P("p", d), "w", T_ERR));
	T_OK(sp_registry_add(r, P("f", a), "w", T_ERR));
	sp_str off[] = {SP_STR("f.a")};
	T_OK(sp_registry_start(r, off, 1, NULL, T_ERR));
	static const char *const want[][3] = {
		{"f.x", "failed", "disk is full"},
		{"f.a", "disabled", "disabled by configuration"},
		{"g.x", "skipped", "no btrfs here"},
		{"n.a", "skipped", "requires 'f.x', which is failed: disk is full"},
		{"n.b", "skipped",
		 "requires 'n.a', which is skipped: requires 'f.x', which is failed: disk is full"},
		{"o.c", "skipped", "requires 'g.x', which is skipped: no btrfs here"},
		{"p.d", "ok", ""},
	};
	T_EQ_U64(sp_registry_count(r), SP_LEN(want));
	for (size_t i = 0; i < SP_LEN(want); i++) {
		t_row("%s", want[i][0]);
		const sp_plugin_entry *e = sp_registry_find(r, sp_str_c(want[i][0]));
		T_TRUE(e != NULL);
		T_EQ_C(sp_str_c(sp_plugin_state_name(e->state)), want[i][1]);
		T_EQ_C(e->reason, want[i][2]);
	}
	T_EQ_C(sp_buf_view(&trail), "+d");
}

SP_TEST(registry, disabling_needs_the_uri)
{
	sp_registry *r = fresh();
	T_OK(sp_registry_add(r, P("t", a), "w", T_ERR));
	sp_str off[] = {SP_STR("a")};
	sp_err err = {0};
	T_CODE(sp_registry_start(r, off, 1, NULL, &err), SP_ENOTFOUND);
	T_EQ_C(sp_str_c(err.msg), "disabled plugin 'a' is not registered");
}
