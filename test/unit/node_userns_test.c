/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of ids for pods that have users of their own. */
#include "lib/t.h"
#include "node/features.h"
#include "node/userns.h"

#define FILE_OF(host, container, length)                                                          \
	"{\"uidMappings\":[{\"hostId\":" host ",\"containerId\":" container ",\"length\":" length \
	"}],\"gidMappings\":[{\"hostId\":" host ",\"containerId\":" container ",\"length\":" length "}]}"

SP_TEST(node_userns, given_and_given_back)
{
	SP_CLEANUP(node_userns_done) node_userns u;
	uint32_t first;
	node_userns_init(&u);
	T_OK(node_userns_get(&u, SP_STR("a"), &first, T_ERR));
	T_EQ_U64(first, 65536);
	T_OK(node_userns_get(&u, SP_STR("b"), &first, T_ERR));
	T_EQ_U64(first, 131072);
	T_OK(node_userns_get(&u, SP_STR("a"), &first, T_ERR));
	T_EQ_U64(first, 65536);
	T_EQ_U64(node_userns_find(&u, SP_STR("c")), 0);
	node_userns_release(&u, SP_STR("a"));
	node_userns_release(&u, SP_STR("a"));
	T_EQ_U64(node_userns_find(&u, SP_STR("a")), 0);
	T_OK(node_userns_get(&u, SP_STR("c"), &first, T_ERR));
	T_EQ_U64(first, 65536);
	T_EQ_C(node_userns_file(T_ARENA, first), FILE_OF("65536", "0", "65536"));
}

SP_TEST(node_userns, no_range_left)
{
	SP_CLEANUP(node_userns_done) node_userns u;
	uint32_t first = 0;
	char uid[16];
	sp_err err = {0};
	node_userns_init(&u);
	memset(u.used, 0xff, sizeof u.used);
	u.used[NODE_USERNS_RANGES / 64] &= ~(UINT64_C(1) << (NODE_USERNS_RANGES - 1) % 64);
	(void)snprintf(uid, sizeof uid, "last");
	T_OK(node_userns_get(&u, sp_str_c(uid), &first, T_ERR));
	T_EQ_U64(first, UINT64_C(65535) * 65536);
	T_EQ_I64(node_userns_get(&u, SP_STR("more"), &first, &err), SP_ETOOLARGE);
	T_EQ_C(sp_str_c(err.msg),
	       "create user namespace: could not find an empty slot to allocate a user namespace");
}

SP_TEST(node_userns, files)
{
	static const struct {
		const char *file, *fault; /* fault NULL: it is taken */
	} rows[] = {
		{FILE_OF("131072", "0", "65536"), NULL},
		{FILE_OF("131072", "0", "65536"), "range picked for pod \"1\" already taken"},
		{FILE_OF("196608", "0", "65536"), NULL},
		{FILE_OF("131072", "0", "65535"), "wrong user namespace length 65535"},
		{FILE_OF("131073", "0", "65536"), "wrong user namespace offset specified 131073"},
		{FILE_OF("0", "0", "65536"), "id 0 is out of range"},
		{FILE_OF("4294967296", "0", "65536"), "id 4294967296 is out of range"},
		{FILE_OF("131072", "1", "65536"),
		 "invalid user namespace configuration: UID 0 must be mapped"},
		{"{\"uidMappings\":[]}",
		 "invalid user namespace configuration: no more than one mapping allowed."},
		{"{\"uidMappings\":[{}]}",
		 "invalid user namespace configuration: GID and UID mappings should be identical."},
		{"{\"uidMappings\":[{\"length\":1}],\"gidMappings\":[{\"length\":2}]}",
		 "invalid user namespace configuration: GID and UID mapping should be identical"},
		{"[]", "invalid user namespace configuration: no more than one mapping allowed."},
	};
	SP_CLEANUP(node_userns_done) node_userns u;
	node_userns_init(&u);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_err err = {0};
		char uid[16];
		(void)snprintf(uid, sizeof uid, "%zu", i);
		t_row("%s", rows[i].file);
		T_EQ_I64(node_userns_record(&u, sp_str_c(uid), sp_str_c(rows[i].file), &err),
			 rows[i].fault == NULL ? SP_OK : SP_EINVAL);
		if (rows[i].fault != NULL)
			T_EQ_C(sp_str_c(err.msg), rows[i].fault);
	}
	sp_err err = {0};
	T_OK(node_userns_record(&u, SP_STR("0"), SP_STR(FILE_OF("131072", "0", "65536")), T_ERR));
	T_EQ_I64(node_userns_record(&u, SP_STR("0"), SP_STR(FILE_OF("65536", "0", "65536")), &err),
		 SP_EINVAL);
	T_EQ_C(sp_str_c(err.msg), "different user namespace range already used by pod \"0\"");
	T_EQ_I64(node_userns_record(&u, SP_STR("x"), SP_STR("{"), &err), SP_EINVAL);
}

/* Which handlers can, and what is said of the others. */
SP_TEST(node_userns, handlers)
{
	static const char *const rows[][2] = {
		{"can", NULL},
		{"", "can't set `spec.hostUsers: false`, runtime does not support user namespaces"},
		{"old",
		 "can't set `spec.hostUsers: false`, RuntimeClass handler \"old\" does not support user "
		 "namespaces"},
		{"none",
		 "can't set `spec.hostUsers: false`, RuntimeClass handler \"none\" does not support user "
		 "namespaces: the handler \"none\" is not known"},
	};
	sp_cri_runtime_handler_features can = {.user_namespaces = true}, not = {.user_namespaces = false};
	sp_cri_runtime_handler at[] = {{.name = SP_STR(""), .features = &not },
				       {.name = SP_STR("can"), .features = &can},
				       {.name = SP_STR("old")}};
	SP_CLEANUP(node_features_done) node_features f = {.n_handlers = 0};
	sp_err err = {0};
	T_EQ_I64(node_features_check_users(&f, SP_STR("x"), &err), SP_EINVAL);
	T_EQ_C(sp_str_c(err.msg), "can't set `spec.hostUsers: false`, RuntimeClass handler \"x\" does not "
				  "support user namespaces");
	node_features_take(&f, &(sp_cri_status_response){.runtime_handlers = {.at = at, .n = 3}});
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i][0]);
		T_EQ_I64(node_features_check_users(&f, sp_str_c(rows[i][0]), &err),
			 rows[i][1] == NULL ? SP_OK : SP_EINVAL);
		if (rows[i][1] != NULL)
			T_EQ_C(sp_str_c(err.msg), rows[i][1]);
	}
}
