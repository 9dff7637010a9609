/* SPDX-License-Identifier: Apache-2.0 */
/* The unpacker that asks the host process, with a host that writes down what it is asked. */
#include "runtime/layers.h"

#include "lib/t.h"

typedef struct fake {
	sp_host base;
	sp_host_method method;
	sp_host_layer asked;
	char dir[64], blob[64], parent[64];
	uint64_t stopped;
	sp_host_call *call, *stop;
} fake;

static void keep(char room[64], sp_str s)
{
	(void)snprintf(room, 64, SP_FMT, SP_ARG(s));
}

static void on_call(sp_host *h, sp_host_method method, const void *request, sp_host_call *c)
{
	fake *f = SP_CONTAINER_OF(h, fake, base);
	c->impl = f;
	if (method == SP_HOST_LAYER_STOP) {
		f->stopped = ((const sp_host_layer_stop *)request)->token;
		f->stop = c;
		return;
	}
	f->method = method;
	f->asked = *(const sp_host_layer *)request;
	f->call = c;
	keep(f->dir, f->asked.dir);
	keep(f->blob, f->asked.blob);
	keep(f->parent, f->asked.parents.n > 0 ? f->asked.parents.at[0] : SP_STR(""));
}

static void on_cancel(sp_host *h, sp_host_call *c)
{
	(void)h;
	c->impl = NULL;
}

typedef struct outcome {
	unsigned n;
	sp_code code;
	sp_err err;
} outcome;

static void on_job(image_job *j, sp_code code, const sp_err *err)
{
	outcome *o = j->arg;
	o->n++;
	o->code = code;
	if (err != NULL)
		o->err = *err;
}

static void answer(fake *f, const char *output, int32_t status)
{
	const sp_host_layer_answer a = {.output = sp_str_c(output), .status = status};
	f->call->impl = NULL;
	f->call->done(f->call, &a, NULL);
}

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

SP_TEST(runtime_layers, asks_below_the_store_and_reads_the_answer)
{
	static const struct {
		const char *output;
		int32_t status;
		sp_code code;
	} rows[] = {
		{"ok 12 3 " DIGEST "\n", 0, SP_OK},
		{"ok 12 3\n", 0, SP_EINTERNAL},
		{"failed 1 the layer is malformed\n", 1, SP_EINVAL},
		{"", 0, SP_EINTERNAL},
		{"ok 12 3 " DIGEST "\n", 128 + 9, SP_EINTERNAL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fake f = {.base = {.call = on_call, .cancel = on_cancel}};
		outcome o = {0};
		rt_layers l;
		const sp_str parents[] = {SP_STR("/i/snapshots/1/fs")};
		image_job j = {.kind = IMAGE_JOB_UNPACK,
			       .dir = SP_STR("/i/snapshots/2/fs"),
			       .blob = SP_STR("/i/blobs/sha256/ab"),
			       .parents = parents,
			       .n_parents = 1,
			       .bytes_max = 5,
			       .allow_devices = true,
			       .done = on_job,
			       .arg = &o};
		t_row("%zu", i);
		rt_layers_init(&l, &f.base, SP_STR("/i"));
		T_CODE(l.unpacker.start(l.unpacker.arg, &j, T_ERR), SP_OK);
		T_TRUE(f.method == SP_HOST_LAYER && f.asked.kind == SP_HOST_LAYER_UNPACK);
		T_EQ_C(sp_str_c(f.dir), "snapshots/2/fs");
		T_EQ_C(sp_str_c(f.blob), "blobs/sha256/ab");
		T_EQ_C(sp_str_c(f.parent), "snapshots/1/fs");
		T_TRUE(f.asked.bytes_max == 5 && f.asked.allow_devices);
		answer(&f, rows[i].output, rows[i].status);
		T_EQ_U64(o.n, 1);
		T_TRUE(o.code == rows[i].code);
		if (rows[i].code == SP_OK) {
			T_EQ_U64(j.bytes, 12);
			T_EQ_U64(j.inodes, 3);
			T_EQ_C(sp_str_c(j.diff_id), "sha256:" DIGEST);
		}
	}
}

SP_TEST(runtime_layers, a_host_that_is_gone_is_an_error)
{
	fake f = {.base = {.call = on_call, .cancel = on_cancel}};
	outcome o = {0};
	rt_layers l;
	sp_err gone = {.code = SP_EUNAVAILABLE};
	image_job j = {.kind = IMAGE_JOB_USAGE, .dir = SP_STR("/i/snapshots/2"), .done = on_job, .arg = &o};
	rt_layers_init(&l, &f.base, SP_STR("/i"));
	T_CODE(l.unpacker.start(l.unpacker.arg, &j, T_ERR), SP_OK);
	f.call->impl = NULL;
	f.call->done(f.call, NULL, &gone);
	T_TRUE(o.n == 1 && o.code == SP_EUNAVAILABLE);
}

/* Both orders of the two answers; the job ends once, and as cancelled. */
SP_TEST(runtime_layers, cancel_stops_the_helper)
{
	for (int first = 0; first < 2; first++) {
		fake f = {.base = {.call = on_call, .cancel = on_cancel}};
		outcome o = {0};
		rt_layers l;
		image_job j = {
			.kind = IMAGE_JOB_REMOVE, .dir = SP_STR("/i/snapshots/2"), .done = on_job, .arg = &o};
		t_row("%d", first);
		rt_layers_init(&l, &f.base, SP_STR("/i"));
		T_CODE(l.unpacker.start(l.unpacker.arg, &j, T_ERR), SP_OK);
		T_TRUE(f.asked.kind == SP_HOST_LAYER_REMOVE);
		l.unpacker.cancel(l.unpacker.arg, &j);
		T_EQ_U64(f.stopped, f.asked.token);
		T_EQ_U64(o.n, 0);
		for (int turn = 0; turn < 2; turn++) {
			if ((turn == 0) == (first == 0)) {
				f.stop->impl = NULL;
				f.stop->done(f.stop, NULL, NULL);
			} else {
				answer(&f, "ok 0 1\n", 0);
			}
		}
		T_TRUE(o.n == 1 && o.code == SP_ECANCELED);
	}
}
