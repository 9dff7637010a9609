/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's logs: what is shown of a directory that others write to. */
#include "node/log_tree.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/t.h"
#include "node/files.h"

static sp_str in_tmp(const char *name)
{
	return sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
}

static sp_code make_tree(void)
{
	sp_pod_files *f = node_files();
	const sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	SP_TRY(f->make_dir(f, in_tmp("log/pods/one"), 0755, same, T_ERR));
	SP_TRY(f->write(f, in_tmp("log/pods/one/0.log"), SP_STR("line\n"), 0644, same, T_ERR));
	SP_TRY(f->write(f, in_tmp("log/a b?<c>"), SP_STR("x"), 0644, same, T_ERR));
	SP_TRY(f->write(f, in_tmp("secret"), SP_STR("secret"), 0600, same, T_ERR));
	SP_TRY(f->link(f, in_tmp("log/pods/one/0.log"), in_tmp("log/absolute"), T_ERR));
	SP_TRY(f->link(f, SP_STR("pods/one"), in_tmp("log/relative"), T_ERR));
	SP_TRY(f->link(f, in_tmp("secret"), in_tmp("log/out"), T_ERR));
	SP_TRY(f->link(f, SP_STR(".."), in_tmp("log/up"), T_ERR));
	return mkfifo(in_tmp("log/pipe").ptr, 0600) == 0 ? SP_OK : SP_EIO;
}

SP_TEST(node_log_tree, entries)
{
	static const struct {
		const char *path;
		sp_code code;
		bool is_dir;
		uint64_t size;
	} rows[] = {
		{"", SP_OK, true, 0},
		{"pods", SP_OK, true, 0},
		{"pods/one/0.log", SP_OK, false, 5},
		{"absolute", SP_OK, false, 5},
		{"relative", SP_OK, true, 0},
		{"relative/0.log", SP_OK, false, 5},
		{"out", SP_ENOTFOUND, false, 0},
		{"up", SP_ENOTFOUND, false, 0},
		{"up/secret", SP_ENOTFOUND, false, 0},
		{"../secret", SP_ENOTFOUND, false, 0},
		{"none", SP_ENOTFOUND, false, 0},
		{"pipe", SP_EINVAL, false, 0},
	};
	T_OK(make_tree());
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_log_entry e = {.fd = -1};
		t_row("'%s'", rows[i].path);
		T_CODE(node_log_entry_open(in_tmp("log").ptr, sp_str_c(rows[i].path), &e, NULL),
		       rows[i].code);
		if (rows[i].code != SP_OK)
			continue;
		T_TRUE(e.is_dir == rows[i].is_dir);
		T_EQ_U64(e.size, rows[i].size);
		T_TRUE(close(e.fd) == 0);
	}
}

SP_TEST(node_log_tree, lists)
{
	node_log_entry e;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 65536);
	T_OK(make_tree());
	T_OK(node_log_entry_open(in_tmp("log").ptr, SP_STR(""), &e, T_ERR));
	sp_code code = node_log_entry_list(&e, &out, T_ERR);
	T_TRUE(close(e.fd) == 0);
	T_OK(code);
	T_EQ_C(sp_buf_view(&out), "<!doctype html>\n"
				  "<meta name=\"viewport\" content=\"width=device-width\">\n"
				  "<pre>\n"
				  "<a href=\"a%20b%3F%3Cc%3E\">a b?&lt;c&gt;</a>\n"
				  "<a href=\"absolute\">absolute</a>\n"
				  "<a href=\"out\">out</a>\n"
				  "<a href=\"pipe\">pipe</a>\n"
				  "<a href=\"pods/\">pods/</a>\n"
				  "<a href=\"relative\">relative</a>\n"
				  "<a href=\"up\">up</a>\n"
				  "</pre>\n");
}

SP_TEST(node_log_tree, types)
{
	T_EQ_C(node_log_type(SP_STR("text \t\r\n\x1b[0m\xff")), "text/plain; charset=utf-8");
	T_EQ_C(node_log_type(SP_STR("\x1f\x8b\x08")), "application/octet-stream");
	T_EQ_C(node_log_type(SP_STR("")), "text/plain; charset=utf-8");
}
