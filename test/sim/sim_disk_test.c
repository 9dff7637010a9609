/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of simulated hosts: like the machine's while it runs, and what a crash leaves of them. */
#include "io/sim/sim.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)

static sp_sim *sim;
static sp_sim_host *host;

static sp_world *world(void)
{
	return sp_sim_world(host);
}

static void set_up(const sp_sim_opts *o)
{
	sim = sp_sim_new(o);
	T_DEFER(sp_sim_free, sim);
	host = sp_sim_host_new(sim, "a", NULL, NULL);
}

static void crash(void)
{
	sp_sim_crash(host, 1);
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + SECOND);
}

static sp_str content(const char *path)
{
	sp_str s;
	if (sp_file_read_arena(world(), sp_str_c(path), T_ARENA, 1 << 20, &s, T_ERR) != SP_OK)
		return SP_STR("(none)");
	return s;
}

static sp_code put(const char *path, uint64_t offset, sp_str bytes, bool sync)
{
	SP_AUTO_FILE f = NULL;
	SP_TRY(sp_file_open(world(), sp_str_c(path), SP_FILE_WRITE | SP_FILE_CREATE, 0644, &f, T_ERR));
	SP_TRY(sp_file_pwrite(f, offset, bytes.ptr, bytes.len, T_ERR));
	return sync ? sp_file_sync(f, true, T_ERR) : SP_OK;
}

SP_TEST(sim_disk, files_are_files)
{
	set_up(NULL);
	sp_world *w = world();
	T_CODE(put("/a/b/f", 0, SP_STR("x"), false), SP_ENOTFOUND);
	T_OK(sp_dir_make(w, SP_STR("/a/b/"), 0755, T_ERR));
	T_OK(sp_dir_make(w, SP_STR("/a/b"), 0755, T_ERR));
	T_OK(put("/a/b/f", 3, SP_STR("xyz"), false));
	T_EQ_STR(content("/a/b/f"), ((sp_str){"\0\0\0xyz", 6}));
	T_CODE(put("/a/b", 0, SP_STR("x"), false), SP_EIO);
	T_CODE(put("/a/b/f/g", 0, SP_STR("x"), false), SP_EINVAL);
	sp_dir_entry *list;
	size_t n;
	T_OK(put("/a/b/e", 0, SP_STR("1"), false));
	T_OK(sp_dir_list(w, SP_STR("/a/b"), T_ARENA, &list, &n, T_ERR));
	T_EQ_U64(n, 2);
	T_EQ_C(list[0].name, "e");
	T_EQ_C(list[1].name, "f");
	T_OK(sp_dir_list(w, SP_STR("/"), T_ARENA, &list, &n, T_ERR));
	T_EQ_U64(n, 1);
	T_EQ_C(list[0].name, "a");
	T_TRUE(list[0].type == SP_TYPE_DIR);
	T_OK(sp_path_rename(w, SP_STR("/a"), SP_STR("/c"), T_ERR));
	T_EQ_C(content("/c/b/e"), "1");
	T_EQ_C(content("/a/b/e"), "(none)");
	T_CODE(sp_path_rename(w, SP_STR("/c"), SP_STR("/c/d"), T_ERR), SP_EINVAL);
	T_CODE(sp_dir_remove(w, SP_STR("/c"), T_ERR), SP_EIO);
	T_CODE(sp_path_unlink(w, SP_STR("/c"), T_ERR), SP_EIO);
	T_OK(sp_path_rename(w, SP_STR("/c/b/e"), SP_STR("/c/b/f"), T_ERR));
	T_EQ_C(content("/c/b/f"), "1");
	T_OK(sp_path_unlink(w, SP_STR("/c/b/f"), T_ERR));
	T_CODE(sp_path_unlink(w, SP_STR("/c/b/f"), T_ERR), SP_ENOTFOUND);
	T_OK(sp_dir_remove(w, SP_STR("/c/b"), T_ERR));
	sp_stat st;
	T_OK(sp_file_replace(w, SP_STR("/r"), SP_STR("new"), 0640, T_ERR));
	T_OK(sp_path_stat(w, SP_STR("/r"), &st, T_ERR));
	T_EQ_U64(st.size, 3);
	T_EQ_U64(st.mode, 0640);
}

SP_TEST(sim_disk, locks_and_flags)
{
	set_up(NULL);
	SP_AUTO_FILE f = NULL;
	SP_AUTO_FILE g = NULL;
	sp_file *h = NULL;
	char byte;
	size_t n;
	T_OK(sp_file_open(world(), SP_STR("/f"), SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_EXCLUSIVE, 0600, &f,
			  T_ERR));
	T_CODE(sp_file_open(world(), SP_STR("/f"), SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_EXCLUSIVE, 0600,
			    &h, T_ERR),
	       SP_EEXISTS);
	T_OK(sp_file_open(world(), SP_STR("/f"), SP_FILE_READ, 0, &g, T_ERR));
	T_OK(sp_file_lock(f, T_ERR));
	T_OK(sp_file_lock(f, T_ERR));
	T_CODE(sp_file_lock(g, T_ERR), SP_EUNAVAILABLE);
	sp_file_close(f);
	f = NULL;
	T_OK(sp_file_lock(g, T_ERR));
	T_CODE(sp_file_pwrite(g, 0, "x", 1, T_ERR), SP_EIO);
	T_OK(sp_path_unlink(world(), SP_STR("/f"), T_ERR));
	T_OK(sp_file_pread(g, 0, &byte, 1, &n, T_ERR));
	T_EQ_U64(n, 0);
}

SP_TEST(sim_disk, a_disk_gets_full)
{
	set_up(&(sp_sim_opts){.disk_bytes = 1000});
	T_OK(put("/a", 0, SP_STR("0123456789"), false));
	T_CODE(put("/b", 990, SP_STR("0123456789"), false), SP_ETOOLARGE);
	T_CODE(put("/b", UINT64_MAX, SP_STR("0123456789"), false), SP_ETOOLARGE);
	T_OK(put("/b", 980, SP_STR("0123456789"), false));
	T_OK(sp_path_unlink(world(), SP_STR("/a"), T_ERR));
	crash(); /* what the removed file held is free for good only when its removal is */
	T_OK(sp_dir_list(world(), SP_STR("/"), T_ARENA, &(sp_dir_entry *){NULL}, &(size_t){0}, T_ERR));
}

SP_TEST(sim_disk, what_was_synced_survives)
{
	for (int i = 0; i < 50; i++) {
		set_up(&(sp_sim_opts){.seed = t_random()});
		T_OK(put("/f", 0, SP_STR("old"), true));
		T_OK(sp_dir_sync(world(), SP_STR("/"), T_ERR));
		T_OK(sp_file_replace(world(), SP_STR("/r"), SP_STR("first"), 0600, T_ERR));
		T_OK(put("/f", 1, SP_STR("LD"), true));
		crash();
		T_EQ_C(content("/f"), "oLD");
		T_EQ_C(content("/r"), "first");
	}
}

/* Whatever was not synced may be there or not; both must happen, and nothing else. */
SP_TEST(sim_disk, the_rest_survives_by_chance)
{
	unsigned n_new_name = 0, n_new_bytes = 0, n_torn = 0, n_replaced = 0;
	enum { N = 100, BIG = 2000 };
	char big[BIG];
	memset(big, 'b', sizeof big);
	for (int i = 0; i < N; i++) {
		set_up(&(sp_sim_opts){.seed = t_random()});
		T_OK(put("/f", 0, SP_STR("old"), true));
		T_OK(sp_file_replace(world(), SP_STR("/r"), SP_STR("one"), 0600, T_ERR));
		T_OK(put("/f", 0, SP_STR("new"), false));
		T_OK(put("/n", 0, (sp_str){big, BIG}, false));
		T_OK(put("/r.tmp", 0, SP_STR("two"), true));
		T_OK(sp_path_rename(world(), SP_STR("/r.tmp"), SP_STR("/r"), T_ERR));
		crash();
		sp_str f = content("/f"), n = content("/n"), r = content("/r");
		T_TRUE(sp_str_eq(f, SP_STR("old")) || sp_str_eq(f, SP_STR("new")));
		T_TRUE(sp_str_eq(r, SP_STR("one")) || sp_str_eq(r, SP_STR("two")));
		n_new_bytes += sp_str_eq(f, SP_STR("new"));
		n_replaced += sp_str_eq(r, SP_STR("two"));
		n_new_name += !sp_str_eq(n, SP_STR("(none)"));
		n_torn += !sp_str_eq(n, SP_STR("(none)")) && n.len > 0 && sp_str_index(n, '\0') >= 0;
		/* A later rename is never there without the earlier creation of the same directory. */
		T_TRUE(!sp_str_eq(r, SP_STR("two")) || !sp_str_eq(n, SP_STR("(none)")));
		/* What survived is on the disk: another crash changes nothing. */
		crash();
		T_EQ_STR(content("/f"), f);
		T_EQ_STR(content("/n"), n);
	}
	T_TRUE(n_new_bytes > 10 && n_new_bytes < N - 10);
	T_TRUE(n_new_name > 10 && n_new_name < N - 5);
	T_TRUE(n_replaced > 5 && n_replaced < N - 10);
	T_TRUE(n_torn > 3);
}

SP_TEST(sim_disk, a_failed_sync_saves_anything_and_never_again)
{
	unsigned n_new = 0;
	for (int i = 0; i < 60; i++) {
		set_up(&(sp_sim_opts){.seed = t_random()});
		T_OK(put("/f", 0, SP_STR("old"), true));
		T_OK(sp_dir_sync(world(), SP_STR("/"), T_ERR));
		sp_sim_fail_syncs(host, 1);
		T_CODE(put("/f", 0, SP_STR("new"), true), SP_EIO);
		T_OK(put("/f", 0, SP_STR(""), true)); /* "succeeds" */
		T_EQ_C(content("/f"), "new");
		crash();
		sp_str f = content("/f");
		T_TRUE(sp_str_eq(f, SP_STR("old")) || sp_str_eq(f, SP_STR("new")));
		n_new += sp_str_eq(f, SP_STR("new"));
	}
	T_TRUE(n_new > 5 && n_new < 55);
}

SP_TEST(sim_disk, a_dead_process_touches_nothing)
{
	set_up(NULL);
	SP_AUTO_FILE f = NULL;
	sp_world *old = world();
	T_OK(put("/f", 0, SP_STR("old"), true));
	T_OK(sp_dir_sync(old, SP_STR("/"), T_ERR));
	T_OK(sp_file_open(old, SP_STR("/f"), SP_FILE_WRITE, 0, &f, T_ERR));
	crash();
	T_CODE(sp_file_pwrite(f, 0, "new", 3, T_ERR), SP_EIO);
	T_CODE(sp_path_unlink(old, SP_STR("/f"), T_ERR), SP_EIO);
	T_EQ_C(content("/f"), "old");
}
