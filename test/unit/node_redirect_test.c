/* SPDX-License-Identifier: Apache-2.0 */
/* Where answers of probes lead: what Go's net/url makes of the same. */
#include "lib/t.h"
#include "node/redirect.h"

SP_TEST(node_redirect, locations)
{
	static const struct {
		const char *location, *url; /* url NULL: nowhere */
		bool absolute;
	} rows[] = {
		{"/", "http://10.0.0.1:8080/", false},
		{"/new?x=1", "http://10.0.0.1:8080/new?x=1", false},
		{"new", "http://10.0.0.1:8080/a/new", false},
		{"./new#part", "http://10.0.0.1:8080/a/new", false},
		{"../new", "http://10.0.0.1:8080/new", false},
		{"../../../new/./x/..", "http://10.0.0.1:8080/new/", false},
		{"?y=2", "http://10.0.0.1:8080/a/b?y=2", false},
		{"#part", "http://10.0.0.1:8080/a/b", false},
		{"x:y/z", NULL, false},
		{"./x:y", "http://10.0.0.1:8080/a/x:y", false},
		{"//other:81/z", "http://other:81/z", false},
		{"//other", "http://other:80/", false},
		{"http://other", "http://other:80/", true},
		{"https://other/a/../b?c#d", "https://other:443/b?c", true},
		{"https://10.0.0.1:8443", "https://10.0.0.1:8443/", true},
		{"https://[::1]/x", "https://::1:443/x", true},
		{"https://[::1]:9/x", "https://::1:9/x", true},
		{"http://me:secret@other?q", "http://other:80/?q", true},
		{"http://other:/x", "http://other:80/x", true},
		{"http://other:99999/x", NULL, true},
		{"http://other:x/", NULL, true},
		{"http:///x", NULL, true},
		{"http:x", NULL, true},
		{"ftp://other/x", NULL, true},
		{"mailto:x", NULL, true},
	};
	const node_url from = {
		.host = SP_STR("10.0.0.1"), .port = SP_STR("8080"), .path = SP_STR("/a/b?c=d")};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_url u;
		bool absolute;
		sp_err err = {0};
		t_row("%s", rows[i].location);
		sp_code code = node_redirect(&from, sp_str_c(rows[i].location), T_ARENA, &u, &absolute, &err);
		T_EQ_I64(code, rows[i].url == NULL ? SP_EINVAL : SP_OK);
		if (rows[i].url == NULL)
			continue;
		T_EQ_I64(absolute, rows[i].absolute);
		T_EQ_C(sp_arena_printf(T_ARENA, "http%s://" SP_FMT ":" SP_FMT SP_FMT, u.tls ? "s" : "",
				       SP_ARG(u.host), SP_ARG(u.port), SP_ARG(u.path)),
		       rows[i].url);
	}
}
