/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands behind io/world.h and io/file.h: each world is a struct that begins with sp_world and fills in
 * two tables. Production is io/uv/, the simulator io/sim/; both may live in one program. Only worlds include
 * this header, never their users.
 *
 * A member does what the function of the same name in world.h or file.h promises. Members marked "optional"
 * may be NULL: the function then answers SP_EUNSUPPORTED.
 */
#pragma once

#include "io/file.h"
#include "io/stream.h"
#include "io/world.h"

typedef struct sp_world_ops {
	void (*run)(sp_world *w);
	void (*stop)(sp_world *w);
	uint64_t (*now_ns)(sp_world *w);
	uint64_t (*clock_ns)(sp_world *w);
	int64_t (*wall_ns)(sp_world *w);
	void (*random)(sp_world *w, void *bytes, size_t n);
	bool (*buggify)(sp_world *w, uint32_t p_ppm); /* NULL: never */
	void (*timer_start)(sp_world *w, sp_timer *t, uint64_t delay_ns, void (*fn)(sp_timer *t));
	void (*timer_stop)(sp_world *w, sp_timer *t);
	void (*defer_call)(sp_world *w, sp_defer *d);
	/* optional: */
	sp_code (*work_start)(sp_world *w, sp_work *job, sp_err *err);
	sp_code (*wakeup_new)(sp_world *w, void (*fn)(void *arg), void *arg, sp_wakeup **ret, sp_err *err);
	void (*wakeup_call)(sp_wakeup *u);
	void (*wakeup_free)(sp_wakeup *u);
	sp_code (*signal_watch_new)(sp_world *w, int signal, void (*fn)(void *arg, int signal), void *arg,
				    sp_signal_watch **ret, sp_err *err);
	void (*signal_watch_free)(sp_signal_watch *s);
	sp_code (*path_watch_new)(sp_world *w, sp_str path, void (*fn)(void *arg), void *arg,
				  sp_path_watch **ret, sp_err *err);
	void (*path_watch_free)(sp_path_watch *s);
	sp_code (*listen)(sp_world *w, sp_str address, const sp_listen_opts *opts,
			  void (*on_accept)(void *arg, sp_stream *s), void *arg, sp_listener **ret,
			  sp_err *err);
	void (*listener_close)(sp_listener *l);
	sp_code (*connect)(sp_world *w, sp_connect_req *r, sp_str address, uint64_t timeout_ns, sp_err *err);
	void (*connect_cancel)(sp_world *w, sp_connect_req *r);
	sp_code (*stream_pair)(sp_world *w, sp_stream *ret[2], sp_err *err);
	sp_code (*stream_from_fd)(sp_world *w, int fd, sp_stream **ret, sp_err *err);
	sp_code (*udp_open)(sp_world *w, sp_str address,
			    void (*on_packet)(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes),
			    void *arg, sp_udp **ret, sp_err *err);
	void (*udp_send)(sp_udp *u, const sp_udp_peer *to, sp_str bytes);
	sp_code (*udp_peer)(sp_world *w, sp_str address, sp_udp_peer *ret, sp_err *err);
	void (*udp_close)(sp_udp *u);
	sp_code (*spawn)(sp_world *w, const sp_spawn_opts *opts, void (*on_exit)(void *arg, sp_exit exit),
			 void *arg, sp_process **ret, sp_err *err);
	sp_code (*process_kill)(sp_process *p, int signal, sp_err *err);
	void (*process_free)(sp_process *p);
} sp_world_ops;

/* All members are there. Paths were checked: absolute, no NUL inside, and a NUL behind them. */
typedef struct sp_file_ops {
	sp_code (*open)(sp_world *w, sp_str path, uint32_t flags, uint32_t mode, sp_file **ret, sp_err *err);
	void (*close)(sp_file *f);
	sp_code (*pread)(sp_file *f, uint64_t offset, void *bytes, size_t n, size_t *ret_n, sp_err *err);
	sp_code (*pwrite)(sp_file *f, uint64_t offset, const void *bytes, size_t n, sp_err *err);
	sp_code (*append)(sp_file *f, const void *bytes, size_t n, sp_err *err);
	sp_code (*sync)(sp_file *f, bool data_only, sp_err *err);
	sp_code (*truncate)(sp_file *f, uint64_t size, sp_err *err);
	sp_code (*lock)(sp_file *f, sp_err *err);
	sp_code (*stat)(sp_file *f, sp_stat *ret, sp_err *err);
	sp_code (*path_stat)(sp_world *w, sp_str path, sp_stat *ret, sp_err *err);
	sp_code (*rename)(sp_world *w, sp_str from, sp_str to, sp_err *err);
	sp_code (*unlink)(sp_world *w, sp_str path, sp_err *err);
	sp_code (*own)(sp_world *w, sp_str path, uint32_t uid, uint32_t gid, uint32_t mode, sp_err *err);
	sp_code (*rmdir)(sp_world *w, sp_str path, sp_err *err);
	sp_code (*mkdir)(sp_world *w, sp_str path, uint32_t mode, sp_err *err); /* one level */
	sp_code (*dir_sync)(sp_world *w, sp_str path, sp_err *err);
	/* In any order, without "." and ".."; sp_dir_list sorts. `each` failing ends it with that code. */
	sp_code (*dir_read)(sp_world *w, sp_str path,
			    sp_code (*each)(void *arg, sp_str name, sp_file_type type, sp_err *err),
			    void *arg, sp_err *err);
} sp_file_ops;

/* The first member of every world. */
struct sp_world {
	const sp_world_ops *ops;
	const sp_file_ops *files;
};

/* The first members of what worlds hand out. */
struct sp_wakeup {
	sp_world *world;
};
struct sp_signal_watch {
	sp_world *world;
};
struct sp_path_watch {
	sp_world *world;
};
struct sp_listener {
	sp_world *world;
	char address[160];
};
struct sp_udp {
	sp_world *world;
	char address[64];
};
struct sp_process {
	sp_world *world;
	int64_t pid;
};
struct sp_file {
	sp_world *world;
};

/* The files of the machine, by system calls (io/uv/file.c). They use nothing of the world but its pointer, so
 * any world may take them. */
extern const sp_file_ops sp_sys_file_ops;
