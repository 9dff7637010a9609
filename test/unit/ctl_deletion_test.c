/* SPDX-License-Identifier: Apache-2.0 */
/* Deletions name the very object that was looked at. */
#include "controllers/deletion.h"
#include "lib/t.h"

static const sp_object *an_object(void)
{
	const sp_object *o = NULL;
	return sp_object_parse(T_ARENA,
			       SP_STR("{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\","
				      "\"resourceVersion\":\"7\"}}"),
			       NULL, &o, T_ERR) == SP_OK
		       ? o
		       : NULL;
}

static void unref(void *o)
{
	sp_object_unref(o);
}

SP_TEST(ctl_deletion, bodies)
{
	static const struct {
		sp_delete_opts more;
		const char *body;
	} rows[] = {
		{{.has_grace = false},
		 "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":\"u\"}}"},
		{{.has_grace = true, .uid = SP_STR_INIT("other")},
		 "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"gracePeriodSeconds\":0,"
		 "\"preconditions\":{\"uid\":\"u\"}}"},
		{{.propagation = SP_STR_INIT("Background")},
		 "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":\"Background\","
		 "\"preconditions\":{\"uid\":\"u\"}}"},
	};
	const sp_object *o = an_object();
	T_TRUE(o != NULL);
	T_DEFER(unref, (void *)(uintptr_t)o);
	for (size_t i = 0; i <= SP_LEN(rows); i++) {
		sp_ask q = {.verb = SP_ASK_GET};
		t_row("%zu", i);
		T_OK(ctl_deletion(T_ARENA, SP_PODS, o, i == SP_LEN(rows) ? NULL : &rows[i].more, &q, T_ERR));
		T_TRUE(q.verb == SP_ASK_DELETE);
		T_EQ_C(q.ns, "n");
		T_EQ_C(q.name, "p");
		T_EQ_C(q.body, rows[i % SP_LEN(rows)].body);
	}
}

SP_TEST(ctl_deletion, answers)
{
	static const struct {
		sp_code code;
		bool is_deleted;
	} rows[] = {{SP_OK, true},          {SP_ENOTFOUND, true},     {SP_ECONFLICT, true},
		    {SP_EFORBIDDEN, false}, {SP_EUNAVAILABLE, false}, {SP_ETOOMANY, false}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		T_EQ_I64(ctl_is_deleted(&(sp_answer){.code = rows[i].code}), rows[i].is_deleted);
	}
}
