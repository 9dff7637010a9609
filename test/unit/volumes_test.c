/* SPDX-License-Identifier: Apache-2.0 */
/* Which volume suits a claim, and the names of directories that may be removed. */
#include "controllers/volumes.h"

#include "contracts/local_path.h"
#include "lib/t.h"

#define CLAIM(spec)                                                                                    \
	"{\"metadata\":{\"name\":\"c\",\"namespace\":\"n\",\"uid\":\"u1\",\"resourceVersion\":\"5\"}," \
	"\"spec\":{"                                                                                   \
	"\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}" spec "}}"
#define VOLUME(name, size, spec)                                                                     \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"v\",\"resourceVersion\":\"6\"},\"status\":{" \
	"\"phase\":\"Available\"},\"spec\":{\"capacity\":{\"storage\":\"" size "\"}" spec "}}"
#define RWO ",\"accessModes\":[\"ReadWriteOnce\"]"

static void unref(void *o)
{
	sp_object_unref(o);
}

static const sp_object *object(const char *json)
{
	const sp_object *o = NULL;
	if (sp_object_parse(T_ARENA, sp_str_c(json), NULL, &o, T_ERR) != SP_OK)
		return NULL;
	T_DEFER(unref, (void *)(uintptr_t)o);
	return o;
}

static bool claim_of(const char *json, vol_claim *ret)
{
	const sp_object *o = object(json);
	return o != NULL && vol_claim_read(T_ARENA, o, ret, T_ERR) == SP_OK;
}

static bool volume_of(const char *json, vol_volume *ret)
{
	const sp_object *o = object(json);
	return o != NULL && vol_volume_read(T_ARENA, o, ret, T_ERR) == SP_OK;
}

SP_TEST(volumes, the_best_is_found)
{
	static const struct {
		const char *what, *claim, *volumes[3], *want;
		bool delayed;
	} rows[] = {
		{"smallest", CLAIM(""), {VOLUME("a", "9Gi", RWO), VOLUME("b", "3Gi", RWO)}, "b", false},
		{"same size: by name",
		 CLAIM(""),
		 {VOLUME("b", "3Gi", RWO), VOLUME("a", "3Gi", RWO)},
		 "a",
		 false},
		{"too small", CLAIM(""), {VOLUME("a", "2G", RWO)}, "", false},
		{"fewer modes before smaller",
		 CLAIM(""),
		 {VOLUME("a", "3Gi", ",\"accessModes\":[\"ReadWriteOnce\",\"ReadOnlyMany\"]"),
		  VOLUME("b", "8Gi", RWO)},
		 "b",
		 false},
		{"mode missing",
		 CLAIM(""),
		 {VOLUME("a", "3Gi", ",\"accessModes\":[\"ReadOnlyMany\"]")},
		 "",
		 false},
		{"other class", CLAIM(",\"storageClassName\":\"x\""), {VOLUME("a", "3Gi", RWO)}, "", false},
		{"block", CLAIM(""), {VOLUME("a", "3Gi", RWO ",\"volumeMode\":\"Block\"")}, "", false},
		{"of another claim",
		 CLAIM(""),
		 {VOLUME("a", "3Gi", RWO ",\"claimRef\":{\"namespace\":\"n\",\"name\":\"d\"}")},
		 "",
		 false},
		{"of a former claim of that name",
		 CLAIM(""),
		 {VOLUME("a", "3Gi",
			 RWO ",\"claimRef\":{\"namespace\":\"n\",\"name\":\"c\",\"uid\":\"u0\"}")},
		 "",
		 false},
		{"reserved goes before smaller",
		 CLAIM(""),
		 {VOLUME("a", "2Gi", RWO),
		  VOLUME("b", "9Gi", RWO ",\"claimRef\":{\"namespace\":\"n\",\"name\":\"c\"}")},
		 "b",
		 false},
		{"waits for a consumer", CLAIM(""), {VOLUME("a", "3Gi", RWO)}, "", true},
		{"waits, but is chosen",
		 CLAIM(""),
		 {VOLUME("a", "3Gi", RWO ",\"claimRef\":{\"namespace\":\"n\",\"name\":\"c\"}")},
		 "a",
		 true},
		{"selector",
		 CLAIM(",\"selector\":{\"matchLabels\":{\"k\":\"v\"}}"),
		 {VOLUME("a", "3Gi", RWO)},
		 "",
		 false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		vol_claim c;
		vol_search s;
		t_row("%s", rows[i].what);
		T_TRUE(claim_of(rows[i].claim, &c));
		T_OK(vol_search_init(T_ARENA, &c, rows[i].delayed, &s, T_ERR));
		for (size_t k = 0; k < 3 && rows[i].volumes[k] != NULL; k++) {
			vol_volume v;
			T_TRUE(volume_of(rows[i].volumes[k], &v));
			vol_search_look(&s, &v);
		}
		T_EQ_C(s.best.object == NULL ? SP_STR("") : s.best.object->name, rows[i].want);
	}
}

SP_TEST(volumes, why_a_named_one_does_not_do)
{
	static const struct {
		const char *volume, *want;
	} rows[] = {
		{VOLUME("a", "3Gi", RWO), NULL},
		{VOLUME("a", "1Gi", RWO), "requested PV is too small"},
		{VOLUME("a", "3Gi", RWO ",\"storageClassName\":\"x\""), "storageClassName does not match"},
		{VOLUME("a", "3Gi", RWO ",\"volumeAttributesClassName\":\"x\""),
		 "volumeAttributesClassName does not match"},
		{VOLUME("a", "3Gi", RWO ",\"volumeMode\":\"Block\""), "incompatible volumeMode"},
		{VOLUME("a", "3Gi", ""), "incompatible accessMode"},
	};
	vol_claim c;
	T_TRUE(claim_of(CLAIM(""), &c));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		vol_volume v;
		T_TRUE(volume_of(rows[i].volume, &v));
		const char *why = vol_why_not(T_ARENA, &v, &c);
		T_TRUE((why == NULL) == (rows[i].want == NULL));
		if (why != NULL)
			T_EQ_C(sp_str_c(why), rows[i].want);
	}
}

SP_TEST(volumes, names_of_directories)
{
	static const char *const bad[] = {"",
					  "pvc-",
					  "..",
					  "pvc-01234567-89ab-cdef-0123-456789abcde",
					  "pvc-01234567-89ab-cdef-0123-456789abcdef0",
					  "pvc-01234567-89AB-cdef-0123-456789abcdef",
					  "pvc-01234567/89ab-cdef-0123-456789abcdef",
					  "pvc-01234567-89ab-cdef-0123-456789abcd/.",
					  "pvd-01234567-89ab-cdef-0123-456789abcdef"};
	T_TRUE(sp_local_path_is_volume(SP_STR("pvc-01234567-89ab-cdef-0123-456789abcdef")));
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		t_row("%s", bad[i]);
		T_TRUE(!sp_local_path_is_volume(sp_str_c(bad[i])));
	}
}
