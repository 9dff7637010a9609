/* SPDX-License-Identifier: Apache-2.0 */
/* Logs that were set aside, on a real file system. */
#include <zlib.h>

#include "lib/peer.h"
#include "lib/t.h"
#include "node/log_files.h"

static sp_str in_tmp(const char *name)
{
	return sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
}

static sp_code put(sp_world *w, const char *name, sp_str content)
{
	SP_AUTO_FILE f = NULL;
	SP_TRY(sp_file_open(w, in_tmp(name), SP_FILE_WRITE | SP_FILE_CREATE, 0600, &f, T_ERR));
	return sp_file_append(f, content.ptr, content.len, T_ERR);
}

/* Names with ", " between them. */
static sp_str names(sp_world *w)
{
	SP_AUTO_BUF out;
	sp_dir_entry *at;
	size_t n;
	sp_buf_init(&out, 4096);
	if (sp_dir_list(w, sp_str_c(t_tmpdir()), T_ARENA, &at, &n, T_ERR) != SP_OK)
		return SP_STR("?");
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_printf(&out, "%s" SP_FMT, i == 0 ? "" : ", ", SP_ARG(at[i].name));
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(node_log_files, make_room)
{
	static char large[300000], back[300001];
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	for (size_t i = 0; i < sizeof large; i++)
		large[i] = (char)('a' + i * i % 26);
	T_OK(put(w, "0.log", SP_STR("now")));
	T_OK(put(w, "0.log.20260101-000001", SP_STR("oldest")));
	T_OK(put(w, "0.log.20260101-000002.gz", SP_STR("older")));
	T_OK(put(w, "0.log.20260101-000003", SP_STR("compressed already")));
	T_OK(put(w, "0.log.20260101-000003.gz", SP_STR("it")));
	T_OK(put(w, "0.log.20260101-000004.tmp", SP_STR("half")));
	T_OK(put(w, "0.log.20260101-000004", (sp_str){large, sizeof large}));
	T_OK(put(w, "1.log.20260101-000001", SP_STR("of another life")));
	T_OK(node_log_make_room(w, in_tmp("0.log"), 4, T_ARENA, T_ERR));
	T_EQ_C(names(w), "0.log, 0.log.20260101-000003.gz, 0.log.20260101-000004.gz, 1.log.20260101-000001");
	gzFile z = gzopen(in_tmp("0.log.20260101-000004.gz").ptr, "rb");
	T_TRUE(z != NULL);
	int n = gzread(z, back, sizeof back);
	T_EQ_I64(gzclose(z), Z_OK);
	T_EQ_I64(n, sizeof large);
	T_EQ_I64(memcmp(back, large, sizeof large), 0);
	/* as few as there can be */
	T_OK(node_log_make_room(w, in_tmp("0.log"), 2, T_ARENA, T_ERR));
	T_EQ_C(names(w), "0.log, 1.log.20260101-000001");
	/* nothing to do, and no directory */
	T_OK(node_log_make_room(w, in_tmp("0.log"), 5, T_ARENA, T_ERR));
	T_TRUE(node_log_make_room(w, in_tmp("none/0.log"), 5, T_ARENA, NULL) != SP_OK);
}

SP_TEST(node_log_files, removal)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	T_OK(put(w, "0.log", SP_STR("x")));
	T_OK(put(w, "0.log.20260101-000001.gz", SP_STR("x")));
	T_OK(put(w, "1.log", SP_STR("x")));
	T_OK(node_log_remove(w, in_tmp("0.log"), T_ARENA, T_ERR));
	T_OK(node_log_remove(w, in_tmp("0.log"), T_ARENA, T_ERR));
	T_OK(node_log_remove(w, in_tmp("none/0.log"), T_ARENA, T_ERR));
	T_EQ_C(names(w), "1.log");
}

SP_TEST(node_log_files, names)
{
	T_EQ_C(node_log_rotated_name(T_ARENA, SP_STR("/l/0.log"), INT64_C(1767323045) * 1000000000),
	       "/l/0.log.20260102-030405");
}
