/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials for images. */
#include "base/base64.h"
#include "lib/t.h"
#include "node/pull_auth.h"

SP_TEST(node_pull_auth, repositories)
{
	static const struct {
		const char *image, *want;
	} rows[] = {
		{"nginx", "docker.io/library/nginx"},
		{"nginx:1@sha256:00", "docker.io/library/nginx"},
		{"me/app:1", "docker.io/me/app"},
		{"docker.io/nginx", "docker.io/library/nginx"},
		{"index.docker.io/me/app", "docker.io/me/app"},
		{"r.io:5000/a/b:c", "r.io:5000/a/b"},
		{"r.io:5000/a", "r.io:5000/a"},
		{"localhost/a", "localhost/a"},
		{"", "docker.io/library/"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++)
		T_EQ_C(node_repository_of(T_ARENA, sp_str_c(rows[i].image)), rows[i].want);
}

SP_TEST(node_pull_auth, matches)
{
	static const struct {
		const char *key, *repository;
		bool want;
	} rows[] = {
		{"r.io", "r.io/a/b", true},
		{"r.io/a", "r.io/a/b", true},
		{"r.io/b", "r.io/a/b", false},
		{"r.io:5000", "r.io/a", false},
		{"r.io:5000", "r.io:5000/a", true},
		{"*.r.io", "x.r.io/a", true},
		{"*.r.io", "x.y.r.io/a", false},
		{"*.r.io", "r.io/a", false},
		{"a*c*.r.io", "abcd.r.io/a", true},
		{"a*d*c.r.io", "abcdab.r.io/a", false},
		{"?x.r.io", "ax.r.io/a", true},
		{"?x.r.io", "x.r.io/a", false},
		{"", "r.io/a", false},
		{"***", "r/a", true},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s of %s", rows[i].key, rows[i].repository);
		T_EQ_I64(node_registry_matches(sp_str_c(rows[i].key), sp_str_c(rows[i].repository)),
			 rows[i].want);
	}
}

static sp_str base64(const char *text)
{
	size_t n = strlen(text), len = (n + 2) / 3 * 4;
	char *out = sp_arena_alloc(T_ARENA, len + 1);
	sp_base64_encode(out, text, n);
	return (sp_str){out, len};
}

static const char *secrets[4]; /* s0 …: the whole of each; NULL: not there */

static sp_str get_secret(void *arg, node_ref_kind kind, sp_str ns, sp_str name)
{
	(void)arg, (void)ns;
	size_t i = name.len == 2 ? (size_t)(name.ptr[1] - '0') : SP_LEN(secrets);
	return kind != NODE_REF_SECRET || i >= SP_LEN(secrets) || secrets[i] == NULL ? (sp_str){NULL, 0}
										     : sp_str_c(secrets[i]);
}

static const char *modern(const char *config)
{
	return sp_arena_printf(T_ARENA,
			       "{\"type\":\"kubernetes.io/"
			       "dockerconfigjson\",\"data\":{\".dockerconfigjson\":\"" SP_FMT "\"}}",
			       SP_ARG(base64(config)))
		.ptr;
}
static const char *legacy(const char *config)
{
	return sp_arena_printf(T_ARENA,
			       "{\"type\":\"kubernetes.io/dockercfg\",\"data\":{\".dockercfg\":\"" SP_FMT
			       "\"}}",
			       SP_ARG(base64(config)))
		.ptr;
}

/* "user:password …" or the error; then "!" and what is missing. */
static sp_str find(const char *image)
{
	SP_AUTO_BUF out;
	node_pod *p;
	node_auths found;
	sp_err err = {0};
	node_objects objects = {.get = get_secret};
	sp_buf_init(&out, 1 << 16);
	if (node_pod_parse(
		    SP_STR("{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{"
			   "\"imagePullSecrets\":[{\"name\":\"s0\"},{},{\"name\":\"s1\"},{\"name\":\"s2\"}],"
			   "\"containers\":[{\"name\":\"c\"}]}}"),
		    &p, &err) != SP_OK)
		return SP_STR("no pod");
	T_DEFER(node_pod_free, p);
	if (node_auths_find(p, &objects, sp_str_c(image), T_ARENA, &found, &err) != SP_OK)
		return sp_arena_printf(T_ARENA, "%s", err.msg);
	for (size_t i = 0; i < found.n; i++)
		(void)sp_buf_printf(&out, "%s" SP_FMT ":" SP_FMT, i == 0 ? "" : " ",
				    SP_ARG(found.at[i].username), SP_ARG(found.at[i].password));
	(void)sp_buf_printf(&out, "!" SP_FMT, SP_ARG(found.missing));
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(node_pull_auth, find)
{
	secrets[0] = modern("{\"auths\":{\"r.io\":{\"username\":\"u\",\"password\":\"p\"},"
			    "\"https://r.io/team/x\":{\"auth\":\"dDpz\"},"
			    "\"https://index.docker.io/v1/\":{\"username\":\"hub\",\"password\":\"h\"},"
			    "\"http://old.io/v2/team?x=y\":{\"username\":\"o\",\"password\":\"o\"}}}");
	secrets[1] = legacy("{\"r.io\":{\"auth\":\"dTI6cDp3\"},\"*.w.io\":{\"username\":\"w\"}}");
	secrets[2] = NULL;
	T_EQ_C(find("r.io/a:1"), "u:p u2:p:w!s2");
	T_EQ_C(find("r.io/team/x/y"), "t:s u:p u2:p:w!s2"); /* the longer path first */
	T_EQ_C(find("nginx"), "hub:h!s2");
	T_EQ_C(find("docker.io/me/x:1"), "hub:h!s2");
	T_EQ_C(find("a.w.io/x"), "w:!s2");
	T_EQ_C(find("old.io/team/x"), "o:o!s2");
	T_EQ_C(find("old.io/x"), "!s2");
	T_EQ_C(find("other.io/x"), "!s2");
	/* of another type, or without what its type promises: no credentials */
	secrets[0] = "{\"type\":\"Opaque\",\"data\":{\".dockerconfigjson\":\"e30=\"}}";
	secrets[1] = "{\"type\":\"kubernetes.io/dockercfg\",\"data\":{\".dockerconfigjson\":\"e30=\"}}";
	secrets[2] = modern("{}");
	T_EQ_C(find("r.io/a"), "!");
}

SP_TEST(node_pull_auth, bad)
{
	static const char *const configs[] = {"no json", "{\"auths\":[]}",
					      "{\"auths\":{\"r\":{\"auth\":\"dTpw\\n!\"}}}",
					      "{\"auths\":{\"r\":{\"auth\":\"dQ==\"}}}"};
	secrets[1] = secrets[2] = NULL;
	for (size_t i = 0; i < SP_LEN(configs); i++) {
		t_row("%s", configs[i]);
		secrets[0] = modern(configs[i]);
		T_TRUE(sp_str_find(find("r.io/a"), SP_STR("!s")) < 0);
	}
	T_EQ_C(find("r.io/a"), "unable to parse auth field, must be formatted as base64(username:password)");
	secrets[0] = "{\"type\":\"kubernetes.io/dockercfg\",\"data\":{\".dockercfg\":\"*\"}}";
	T_TRUE(sp_str_find(find("r.io/a"), SP_STR("!s")) < 0);
}
