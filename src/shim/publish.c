/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/publish.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "io/rpc_status.h"
#include "shim/unix.h"

#define TRIES_MAX 5u
#define CALL_NS (5 * SHIM_S)
#define RETRY_NS_MAX (16 * SHIM_S)

typedef struct event {
	sp_list node;
	unsigned n_tries;
	sp_str payload; /* a ForwardRequest; behind the struct */
} event;

struct shim_publisher {
	shim_loop *loop;
	char *path, *ns; /* path NULL: nobody */
	sp_list events;
	unsigned n_events;
	shim_watch watch;
	sp_buf out;
	sp_ttrpc_client_core *core;
	sp_ttrpc_rpc rpc;
	shim_timer retry, deadline;
	shim_turn turn;
	uint64_t retry_ns;
	void (*on_idle)(void *arg);
	void *idle_arg;
};

static char *copy_text(sp_str s)
{
	char *p = sp_alloc(s.len + 1);
	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	return p;
}

static void drop_first(shim_publisher *p)
{
	sp_free(SP_CONTAINER_OF(sp_list_pop_front(&p->events), event, node));
	p->n_events--;
}

static void disconnect(shim_publisher *p)
{
	if (p->watch.fd < 0)
		return;
	shim_watch_close(p->loop, &p->watch);
	shim_timer_stop(p->loop, &p->deadline);
	sp_ttrpc_rpc_cancel(&p->rpc);
	sp_ttrpc_client_core_free(p->core);
	p->core = NULL;
	sp_buf_clear(&p->out);
}

static void retry_later(shim_publisher *p, uint64_t delay_ns)
{
	shim_timer_start(p->loop, &p->retry, delay_ns);
}

/* The peer is away, or went away in the middle: everything stays. */
static void lost(shim_publisher *p)
{
	disconnect(p);
	if (p->n_events == 0)
		return;
	p->retry_ns = SP_MIN(p->retry_ns == 0 ? SHIM_S : 2 * p->retry_ns, RETRY_NS_MAX);
	retry_later(p, p->retry_ns);
}

static void settle(shim_publisher *p)
{
	while (p->out.len > 0) {
		ssize_t n = send(p->watch.fd, p->out.ptr, p->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			lost(p);
			return;
		}
		sp_buf_consume(&p->out, (size_t)n);
	}
	if (shim_watch_set(p->loop, &p->watch, EPOLLIN | (p->out.len > 0 ? EPOLLOUT : 0u), NULL) != SP_OK)
		lost(p);
}

/* From inside the core: what follows runs after it (on_turn). */
static void on_answer(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	(void)payload;
	shim_publisher *p = rpc->arg;
	event *first = SP_CONTAINER_OF(p->events.next, event, node);
	shim_timer_stop(p->loop, &p->deadline);
	p->retry_ns = 0;
	if (status->code == SP_RPC_OK || ++first->n_tries >= TRIES_MAX)
		drop_first(p);
	else
		retry_later(p, first->n_tries * SHIM_S);
	shim_turn_call(p->loop, &p->turn);
}

static void send_first(shim_publisher *p)
{
	const event *first = SP_CONTAINER_OF(p->events.next, event, node);
	const sp_ttrpc_metadata metadata = {SP_STR(SP_TTRPC_NAMESPACE_KEY), sp_str_c(p->ns)};
	const sp_ttrpc_call_opts o = {
		.service = SP_STR("containerd.services.events.ttrpc.v1.Events"),
		.method = SP_STR("Forward"),
		.payload = first->payload,
		.timeout_ns = CALL_NS,
		.metadata = &metadata,
		.n_metadata = 1,
	};
	p->rpc = (sp_ttrpc_rpc){.on_end = on_answer, .arg = p};
	if (sp_ttrpc_client_core_call(p->core, &p->rpc, &o, shim_now_ns(), NULL) != SP_OK) {
		lost(p);
		return;
	}
	shim_timer_start(p->loop, &p->deadline, CALL_NS);
	settle(p);
}

static void on_socket(shim_watch *w, uint32_t events)
{
	shim_publisher *p = w->arg;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		ssize_t n = recv(w->fd, p->loop->scratch, sizeof p->loop->scratch, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || sp_ttrpc_client_core_feed(p->core, (sp_str){p->loop->scratch, (size_t)n},
							NULL) != SP_OK) {
			lost(p);
			return;
		}
	}
	settle(p);
}

static sp_code dial(shim_publisher *p)
{
	int fd;
	SP_TRY(shim_unix_connect(p->path, &fd, NULL));
	sp_code code = sp_ttrpc_client_core_new(&p->out, &p->core, NULL);
	if (code != SP_OK) {
		(void)close(fd);
		return code;
	}
	p->watch.fd = fd;
	return SP_OK;
}

/* Sends the first event unless one is under way or it is not yet time. */
static void advance(shim_publisher *p)
{
	if (p->n_events == 0) {
		if (p->on_idle != NULL)
			p->on_idle(p->idle_arg);
		return;
	}
	if (sp_ttrpc_rpc_is_open(&p->rpc) || p->retry.node.place != 0)
		return;
	if (p->watch.fd < 0 && dial(p) != SP_OK)
		lost(p);
	else
		send_first(p);
}

static void on_turn(shim_turn *t)
{
	advance(t->arg);
}

static void on_retry(shim_timer *t)
{
	advance(t->arg);
}

static void on_deadline(shim_timer *t)
{
	shim_publisher *p = t->arg;
	if (p->core == NULL)
		return;
	sp_ttrpc_client_core_expire(p->core, shim_now_ns() + SHIM_MS);
}

void shim_publisher_retry(shim_publisher *p)
{
	if (p->watch.fd >= 0 || p->n_events == 0)
		return; /* connected: what waits, waits for another reason */
	shim_timer_stop(p->loop, &p->retry);
	shim_turn_call(p->loop, &p->turn);
}

/* ---- from outside ---- */

shim_publisher *shim_publisher_new(shim_loop *l, sp_str address, sp_str ns)
{
	shim_publisher *p = SP_NEW(shim_publisher);
	p->loop = l;
	p->watch = (shim_watch){.fd = -1, .fn = on_socket, .arg = p};
	p->retry = (shim_timer){.fn = on_retry, .arg = p};
	p->deadline = (shim_timer){.fn = on_deadline, .arg = p};
	shim_turn_init(&p->turn, on_turn, p);
	sp_list_init(&p->events);
	sp_buf_init(&p->out, 2 * SP_LIMIT_TTRPC_MESSAGE_BYTES);
	(void)sp_str_take(&address, SP_STR("unix://"));
	p->path = address.len == 0 ? NULL : copy_text(address);
	p->ns = copy_text(ns);
	return p;
}

void shim_publisher_free(shim_publisher *p)
{
	disconnect(p);
	shim_timer_stop(p->loop, &p->retry);
	shim_turn_cancel(&p->turn);
	while (p->n_events > 0)
		drop_first(p);
	sp_buf_done(&p->out);
	sp_free(p->path);
	sp_free(p->ns);
	sp_free(p);
}

static event *make_event(const shim_publisher *p, shim_event_kind kind, const shim_event *e)
{
	const shim_event_info *info = &shim_event_infos[kind];
	SP_AUTO_BUF value, payload;
	sp_buf_init(&value, SP_LIMIT_TTRPC_MESSAGE_BYTES);
	sp_buf_init(&payload, SP_LIMIT_TTRPC_MESSAGE_BYTES);
	sp_pb_encode(info->message, e, &value);
	shim_stamp now = shim_stamp_of(shim_wall_ns(NULL));
	shim_any any = {sp_str_c(info->message->name), sp_buf_view(&value)};
	shim_envelope envelope = {
		.timestamp = &now, .ns = sp_str_c(p->ns), .topic = info->topic, .event = &any};
	const shim_forward_req req = {&envelope};
	sp_pb_encode(&shim_forward_req_message, &req, &payload);
	event *out = sp_buf_code(&value) == SP_OK && sp_buf_code(&payload) == SP_OK
			     ? sp_try_alloc(sizeof *out + payload.len)
			     : NULL;
	if (out == NULL)
		return NULL;
	out->payload = (sp_str){memcpy(out + 1, payload.ptr, payload.len), payload.len};
	return out;
}

void shim_publish(shim_publisher *p, shim_event_kind kind, const shim_event *e)
{
	event *made = p->path == NULL ? NULL : make_event(p, kind, e);
	if (made == NULL)
		return;
	if (p->n_events == SHIM_EVENTS_MAX) {
		/* the first may be on its way; the second is the oldest that is not */
		event *old = SP_CONTAINER_OF(p->events.next->next, event, node);
		sp_list_remove(&old->node);
		sp_free(old);
		p->n_events--;
	}
	sp_list_push_back(&p->events, &made->node);
	p->n_events++;
	shim_turn_call(p->loop, &p->turn);
}

bool shim_publisher_is_idle(const shim_publisher *p)
{
	return p->n_events == 0;
}

void shim_publisher_on_idle(shim_publisher *p, void (*fn)(void *arg), void *arg)
{
	p->on_idle = fn;
	p->idle_arg = arg;
}
