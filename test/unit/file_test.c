/* SPDX-License-Identifier: Apache-2.0 */
#include "io/file.h"

#include <unistd.h>

#include "io/world_ops.h"
#include "lib/t.h"

static sp_world *disk(void)
{
	static sp_world w = {NULL, &sp_sys_file_ops};
	return &w;
}

static sp_str at(const char *name)
{
	return sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
}

SP_TEST(file, open_read_write)
{
	sp_world *w = disk();
	SP_AUTO_FILE f = NULL;
	char got[8];
	size_t n = 0;
	T_CODE(sp_file_open(w, at("a"), SP_FILE_READ, 0, &f, T_ERR), SP_ENOTFOUND);
	T_OK(sp_file_open(w, at("a"), SP_FILE_READ | SP_FILE_WRITE | SP_FILE_CREATE, 0640, &f, T_ERR));
	T_OK(sp_file_pwrite(f, 0, "hello", 5, T_ERR));
	T_OK(sp_file_append(f, " you", 4, T_ERR));
	T_OK(sp_file_sync(f, true, T_ERR));
	T_OK(sp_file_sync(f, false, T_ERR));
	T_OK(sp_file_pread(f, 3, got, sizeof got, &n, T_ERR));
	T_EQ_STR(((sp_str){got, n}), SP_STR("lo you"));
	T_OK(sp_file_pread(f, 100, got, sizeof got, &n, T_ERR));
	T_EQ_U64(n, 0);
	T_OK(sp_file_truncate(f, 2, T_ERR));
	sp_stat st;
	T_OK(sp_file_stat(f, &st, T_ERR));
	T_EQ_U64(st.size, 2);
	T_EQ_U64(st.mode, 0640);
	T_EQ_I64(st.type, SP_TYPE_FILE);
	T_TRUE(st.mtime_ns > INT64_C(1600000000000000000));
	sp_file *again = NULL;
	T_CODE(sp_file_open(w, at("a"), SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_EXCLUSIVE, 0600, &again,
			    T_ERR),
	       SP_EEXISTS);
	T_TRUE(strstr(t_err()->msg, "/a'") != NULL);
}

SP_TEST(file, lock_is_exclusive_until_close)
{
	sp_world *w = disk();
	SP_AUTO_FILE a = NULL;
	SP_AUTO_FILE b = NULL;
	T_OK(sp_file_open(w, at("lock"), SP_FILE_WRITE | SP_FILE_CREATE, 0600, &a, T_ERR));
	T_OK(sp_file_open(w, at("lock"), SP_FILE_WRITE, 0, &b, T_ERR));
	T_OK(sp_file_lock(a, T_ERR));
	T_CODE(sp_file_lock(b, T_ERR), SP_EUNAVAILABLE);
	sp_file_close(SP_TAKE(a));
	T_OK(sp_file_lock(b, T_ERR));
}

SP_TEST(file, paths_are_checked)
{
	sp_world *w = disk();
	sp_stat st;
	char longest[4097];
	memset(longest, 'x', sizeof longest);
	longest[0] = '/';
	T_CODE(sp_path_stat(w, SP_STR(""), &st, T_ERR), SP_EINVAL);
	T_CODE(sp_path_stat(w, SP_STR("etc"), &st, T_ERR), SP_EINVAL);
	T_CODE(sp_path_stat(w, SP_STR("/etc\0/x"), &st, T_ERR), SP_EINVAL);
	T_CODE(sp_path_stat(w, (sp_str){longest, 4096}, &st, T_ERR), SP_EINVAL);
	T_CODE(sp_path_stat(w, (sp_str){longest, 4095}, &st, T_ERR), SP_EINVAL);
	T_CODE(sp_file_replace(w, (sp_str){longest, 4094}, SP_STR("x"), 0600, T_ERR), SP_EINVAL);
}

SP_TEST(file, directories)
{
	sp_world *w = disk();
	T_OK(sp_dir_make(w, at("a/b//c/"), 0755, T_ERR));
	T_OK(sp_dir_make(w, at("a/b/c"), 0755, T_ERR));
	T_OK(sp_dir_make(w, SP_STR("/"), 0755, T_ERR));
	T_OK(sp_file_replace(w, at("a/z"), SP_STR("1"), 0600, T_ERR));
	T_OK(sp_file_replace(w, at("a/c"), SP_STR(""), 0600, T_ERR));
	T_CODE(sp_dir_make(w, at("a/z"), 0755, T_ERR), SP_EEXISTS);
	T_CODE(sp_dir_make(w, at("a/z/y"), 0755, T_ERR), SP_EEXISTS);
	sp_dir_entry *list = NULL;
	size_t n = 0;
	T_OK(sp_dir_list(w, at("a"), T_ARENA, &list, &n, T_ERR));
	T_EQ_U64(n, 3);
	T_EQ_C(list[0].name, "b");
	T_EQ_I64(list[0].type, SP_TYPE_DIR);
	T_EQ_C(list[1].name, "c");
	T_EQ_C(list[2].name, "z");
	T_EQ_I64(list[2].type, SP_TYPE_FILE);
	T_OK(sp_path_rename(w, at("a/z"), at("a/b/c/y"), T_ERR));
	T_OK(sp_dir_sync(w, at("a/b/c"), T_ERR));
	T_CODE(sp_dir_remove(w, at("a/b/c"), T_ERR), SP_EIO);
	T_OK(sp_path_unlink(w, at("a/b/c/y"), T_ERR));
	T_CODE(sp_path_unlink(w, at("a/b/c/y"), T_ERR), SP_ENOTFOUND);
	T_OK(sp_dir_remove(w, at("a/b/c"), T_ERR));
	T_CODE(sp_dir_list(w, at("none"), T_ARENA, &list, &n, T_ERR), SP_ENOTFOUND);
}

SP_TEST(file, owner_and_mode)
{
	sp_world *w = disk();
	sp_stat s;
	sp_str path = at("owned");
	T_OK(sp_file_replace(w, path, SP_STR("x"), 0644, T_ERR));
	T_OK(sp_path_own(w, path, getuid(), getgid(), 0400, T_ERR));
	T_OK(sp_path_stat(w, path, &s, T_ERR));
	T_EQ_U64(s.mode, 0400);
	sp_str link = at("link");
	T_EQ_I64(symlink("owned", link.ptr), 0);
	T_TRUE(sp_path_own(w, link, getuid(), getgid(), 0600, T_ERR) != SP_OK);
	if (geteuid() != 0)
		return;
	T_OK(sp_path_own(w, path, 65534, 65533, 0600, T_ERR));
	T_OK(sp_path_stat(w, path, &s, T_ERR));
	T_TRUE(s.uid == 65534 && s.gid == 65533);
}

SP_TEST(file, long_lists_are_sorted)
{
	sp_world *w = disk();
	for (int i = 0; i < 40; i++)
		T_OK(sp_dir_make(w, sp_arena_printf(T_ARENA, "%s/%02d", t_tmpdir(), i * 7 % 40), 0755,
				 T_ERR));
	sp_dir_entry *list = NULL;
	size_t n = 0;
	T_OK(sp_dir_list(w, sp_str_c(t_tmpdir()), T_ARENA, &list, &n, T_ERR));
	T_EQ_U64(n, 40);
	for (size_t i = 0; i < n; i++)
		T_EQ_STR(list[i].name, sp_arena_printf(T_ARENA, "%02zu", i));
	sp_arena tiny;
	sp_arena_init(&tiny, 64);
	T_CODE(sp_dir_list(w, sp_str_c(t_tmpdir()), &tiny, &list, &n, NULL), SP_ENOMEM);
	sp_arena_done(&tiny);
}

SP_TEST(file, replace_keeps_nothing_behind)
{
	sp_world *w = disk();
	sp_str got = {NULL, 0};
	T_OK(sp_file_replace(w, at("f"), SP_STR("one"), 0600, T_ERR));
	/* a crash left this one */
	SP_AUTO_FILE f = NULL;
	T_OK(sp_file_open(w, at("f.tmp"), SP_FILE_WRITE | SP_FILE_CREATE, 0644, &f, T_ERR));
	T_OK(sp_file_replace(w, at("f"), SP_STR("two"), 0600, T_ERR));
	T_OK(sp_file_read_arena(w, at("f"), T_ARENA, 3, &got, T_ERR));
	T_EQ_C(got, "two");
	sp_stat st;
	T_OK(sp_path_stat(w, at("f"), &st, T_ERR));
	T_EQ_U64(st.mode, 0600);
	T_CODE(sp_path_stat(w, at("f.tmp"), &st, T_ERR), SP_ENOTFOUND);
	T_CODE(sp_file_replace(w, at("no/f"), SP_STR("x"), 0600, T_ERR), SP_ENOTFOUND);
}

SP_TEST(file, read_all_has_a_limit)
{
	sp_world *w = disk();
	SP_AUTO_BUF buf;
	sp_buf_init(&buf, 100000);
	char *big = sp_arena_alloc(T_ARENA, 100000);
	memset(big, 'x', 100000);
	T_OK(sp_file_replace(w, at("f"), (sp_str){big, 100000}, 0600, T_ERR));
	T_OK(sp_file_read_all(w, at("f"), &buf, T_ERR));
	T_EQ_U64(buf.len, 100000);
	sp_str got = {NULL, 0};
	T_CODE(sp_file_read_arena(w, at("f"), T_ARENA, 99999, &got, T_ERR), SP_ETOOLARGE);
	sp_buf_clear(&buf);
	T_OK(sp_file_read_all(w, SP_STR("/proc/self/status"), &buf, T_ERR));
	T_TRUE(sp_str_starts(sp_buf_view(&buf), SP_STR("Name:")));
	T_OK(sp_file_replace(w, at("empty"), SP_STR(""), 0600, T_ERR));
	T_OK(sp_file_read_arena(w, at("empty"), T_ARENA, 0, &got, T_ERR));
	T_EQ_U64(got.len, 0);
}
