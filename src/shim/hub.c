/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/num.h"
#include "shim/crilog.h"
#include "shim/unix.h"

/* ---- frames ---- */

bool shim_frame_next(shim_frame_reader *r, sp_str *in, unsigned *ret_stream, sp_str *ret_bytes)
{
	while (in->len > 0 && r->n_head < SHIM_FRAME_HEAD_BYTES) {
		r->head[r->n_head++] = (uint8_t)in->ptr[0];
		*in = sp_str_sub(*in, 1, in->len);
		if (r->n_head < SHIM_FRAME_HEAD_BYTES)
			continue;
		r->left = (uint32_t)r->head[1] << 16 | (uint32_t)r->head[2] << 8 | r->head[3];
		if (r->left == 0) {
			r->n_head = 0;
			*ret_stream = r->head[0];
			*ret_bytes = (sp_str){NULL, 0};
			return true;
		}
	}
	if (in->len == 0)
		return false;
	*ret_bytes = sp_str_sub(*in, 0, r->left);
	*ret_stream = r->head[0];
	*in = sp_str_sub(*in, ret_bytes->len, in->len);
	r->left -= (uint32_t)ret_bytes->len;
	if (r->left == 0)
		r->n_head = 0;
	return true;
}

void shim_frame_put(sp_buf *out, unsigned stream, sp_str bytes)
{
	SP_ASSERT(bytes.len < (size_t)1 << 24);
	uint8_t head[SHIM_FRAME_HEAD_BYTES] = {(uint8_t)stream, (uint8_t)(bytes.len >> 16),
					       (uint8_t)(bytes.len >> 8), (uint8_t)bytes.len};
	(void)sp_buf_append(out, head, sizeof head);
	(void)sp_buf_str(out, bytes);
}

/* ---- the hub ---- */

typedef struct client {
	sp_list node;
	shim_hub *hub;
	shim_watch watch;
	shim_frame_reader reader;
	sp_buf out;
	bool closing;  /* when `out` is empty */
	bool said_all; /* it shut its sending side */
} client;

struct shim_hub {
	shim_sink sink;
	shim_loop *loop;
	shim_crilog log; /* fd -1: none */
	shim_watch listener;
	char *socket_path;
	sp_list clients;
	unsigned n_clients;
	unsigned n_streams; /* that have not ended */
	bool holds;         /* stream: nobody has connected yet */
	bool waits;         /* stream: a full client makes the process wait */
	bool input_ended;
	shim_sink *input;
};

static shim_hub *of(shim_sink *s)
{
	return SP_CONTAINER_OF(s, shim_hub, sink);
}

static void changed(shim_hub *h)
{
	if (h->sink.changed != NULL)
		h->sink.changed(h->sink.arg);
}

static void client_free(client *c)
{
	shim_hub *h = c->hub;
	sp_list_remove(&c->node);
	h->n_clients--;
	shim_watch_close(h->loop, &c->watch);
	sp_buf_done(&c->out);
	sp_free(c);
}

/* False: the client is gone. */
static bool client_write(client *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->watch.fd, c->out.ptr, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return false;
		sp_buf_consume(&c->out, (size_t)n);
	}
	if (c->out.len == 0) {
		sp_buf_done(&c->out);
		sp_buf_init(&c->out, 2 * SHIM_HUB_QUEUE_BYTES);
	}
	return !(c->closing && c->out.len == 0);
}

/* What is wanted of the client's descriptor just now. */
static bool client_watch(client *c)
{
	const shim_hub *h = c->hub;
	bool in = !c->said_all && (h->input == NULL || !h->input->ops->is_full(h->input));
	return shim_watch_set(h->loop, &c->watch, (in ? EPOLLIN : 0u) | (c->out.len > 0 ? EPOLLOUT : 0u),
			      NULL) == SP_OK;
}

void shim_hub_end_input(shim_hub *h)
{
	if (h->input == NULL || h->input_ended)
		return;
	h->input_ended = true;
	h->input->ops->end(h->input, 0);
}

static void take_input(shim_hub *h, unsigned stream, sp_str bytes)
{
	if (stream != 0 || h->input == NULL || h->input_ended)
		return;
	if (bytes.len > 0)
		h->input->ops->put(h->input, 0, bytes);
	else
		shim_hub_end_input(h);
}

/* False: the client is gone. */
static bool client_read(client *c, bool hung_up)
{
	shim_hub *h = c->hub;
	ssize_t n = read(c->watch.fd, h->loop->scratch, sizeof h->loop->scratch);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n == 0 && !hung_up) {
		c->said_all = true;
		return true;
	}
	if (n <= 0)
		return false;
	sp_str in = {h->loop->scratch, (size_t)n}, bytes;
	unsigned stream;
	while (shim_frame_next(&c->reader, &in, &stream, &bytes))
		take_input(h, stream, bytes);
	return true;
}

static void on_client(shim_watch *w, uint32_t events)
{
	client *c = w->arg;
	shim_hub *h = c->hub;
	bool alive = true;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		alive = client_read(c, (events & (EPOLLHUP | EPOLLERR)) != 0);
	if (alive && (events & EPOLLOUT) != 0)
		alive = client_write(c);
	if (!alive || !client_watch(c))
		client_free(c);
	changed(h);
}

static void on_connect(shim_watch *w, uint32_t events)
{
	(void)events;
	shim_hub *h = w->arg;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	client *c = h->n_clients < SHIM_HUB_CLIENTS_MAX ? sp_try_alloc(sizeof *c) : NULL;
	if (c == NULL) {
		(void)close(fd);
		return;
	}
	c->hub = h;
	c->watch = (shim_watch){.fd = fd, .fn = on_client, .arg = c};
	sp_buf_init(&c->out, 2 * SHIM_HUB_QUEUE_BYTES);
	sp_list_push_back(&h->clients, &c->node);
	h->n_clients++;
	h->holds = false;
	/* The process is over: the end is all there is to see. */
	c->closing = h->n_streams == 0;
	if (c->closing || !client_watch(c))
		client_free(c);
	changed(h);
}

/* ---- as a sink ---- */

static void hub_put(shim_sink *s, unsigned stream, sp_str bytes)
{
	shim_hub *h = of(s);
	if (h->log.fd >= 0)
		shim_crilog_put(&h->log, stream, bytes);
	SP_LIST_FOREACH (node, &h->clients) {
		client *c = SP_CONTAINER_OF(node, client, node);
		shim_frame_put(&c->out, stream, bytes);
		bool alive = sp_buf_code(&c->out) == SP_OK && client_write(c) &&
			     (h->waits || c->out.len <= SHIM_HUB_QUEUE_BYTES);
		if (!alive || !client_watch(c))
			client_free(c);
	}
}

static void hub_end(shim_sink *s, unsigned stream)
{
	shim_hub *h = of(s);
	if (h->log.fd >= 0)
		shim_crilog_end(&h->log, stream);
	if (h->n_streams > 0)
		h->n_streams--;
	if (h->n_streams > 0)
		return;
	SP_LIST_FOREACH (node, &h->clients) {
		client *c = SP_CONTAINER_OF(node, client, node);
		c->closing = true;
		if (!client_write(c) || !client_watch(c))
			client_free(c);
	}
}

static bool hub_is_full(shim_sink *s)
{
	const shim_hub *h = of(s);
	bool full = h->holds;
	SP_LIST_FOREACH (node, &h->clients)
		full = full ||
		       (h->waits && SP_CONTAINER_OF(node, client, node)->out.len > SHIM_HUB_QUEUE_BYTES);
	return full;
}

static bool hub_is_idle(shim_sink *s)
{
	const shim_hub *h = of(s);
	bool idle = true;
	SP_LIST_FOREACH (node, &h->clients)
		idle = idle && SP_CONTAINER_OF(node, client, node)->out.len == 0;
	return idle;
}

static void hub_free(shim_sink *s)
{
	(void)s;
}

static const shim_sink_ops hub_ops = {hub_put, hub_end, hub_is_full, hub_is_idle, hub_free};

shim_sink *shim_hub_sink(shim_hub *h)
{
	return &h->sink;
}

void shim_hub_set_input(shim_hub *h, shim_sink *in)
{
	h->input = in;
}

void shim_hub_pump(shim_hub *h)
{
	SP_LIST_FOREACH (node, &h->clients) {
		client *c = SP_CONTAINER_OF(node, client, node);
		if (!client_watch(c))
			client_free(c);
	}
}

/* ---- life ---- */

static sp_code open_socket(shim_hub *h, const char *path, const shim_hub_opts *o, sp_err *err)
{
	size_t n = strlen(path) + 1;
	char *copy = sp_try_alloc(n);
	if (copy == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a socket");
	memcpy(copy, path, n);
	(void)unlink(path);
	int fd;
	sp_code code = shim_unix_listen(path, 0600, &fd, err);
	if (code == SP_OK && (o->uid | o->gid) != 0 && chown(path, o->uid, o->gid) != 0)
		code = sp_fail_sys(err, errno, "chown %s", path);
	if (code != SP_OK) {
		sp_free(copy);
		return code;
	}
	h->socket_path = copy;
	h->listener = (shim_watch){.fd = fd, .fn = on_connect, .arg = h};
	return shim_watch_set(h->loop, &h->listener, EPOLLIN, err);
}

static sp_code open_log(shim_hub *h, const shim_hub_opts *o, sp_err *err)
{
	uint64_t max = SHIM_LOG_LINE_BYTES;
	sp_str text = sp_url_query_get(&o->uri->query, SP_STR("max"));
	if (text.len > 0)
		SP_TRY(sp_parse_u64(text, 1, (uint64_t)1 << 20, &max, err));
	return shim_crilog_open(&h->log, o->uri->path, (size_t)max, o->uid, o->gid, err);
}

sp_code shim_hub_new(const shim_hub_opts *o, shim_hub **ret, sp_err *err)
{
	shim_hub *h = sp_try_alloc(sizeof *h);
	if (h == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for output");
	h->sink.ops = &hub_ops;
	h->loop = o->loop;
	h->log.fd = -1;
	h->listener.fd = -1;
	h->n_streams = (o->out ? 1u : 0u) + (o->err ? 1u : 0u);
	sp_list_init(&h->clients);
	sp_code code;
	if (o->uri->kind == SHIM_URI_STREAM) {
		h->holds = h->waits = true;
		code = open_socket(h, o->uri->path, o, err);
	} else {
		sp_str socket = sp_url_query_get(&o->uri->query, SP_STR("socket"));
		code = open_log(h, o, err);
		/* the query's values end with a NUL, as all that the arena prints */
		if (code == SP_OK && socket.len > 0)
			code = open_socket(h, socket.ptr, o, err);
	}
	if (code != SP_OK) {
		shim_hub_free(h);
		return code;
	}
	*ret = h;
	return SP_OK;
}

void shim_hub_free(shim_hub *h)
{
	if (h == NULL)
		return;
	while (!sp_list_is_empty(&h->clients))
		client_free(SP_CONTAINER_OF(h->clients.next, client, node));
	shim_watch_close(h->loop, &h->listener);
	if (h->socket_path != NULL)
		(void)unlink(h->socket_path);
	sp_free(h->socket_path);
	if (h->log.fd >= 0)
		shim_crilog_close(&h->log);
	sp_free(h);
}

sp_code shim_hub_reopen(shim_hub *h, sp_err *err)
{
	if (h->log.fd < 0)
		return sp_fail(err, SP_EUNSUPPORTED, "no log to reopen");
	return shim_crilog_reopen(&h->log, err);
}
