/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime has of one pod: lists by its uid, then the status of each, then the last words of those
 * that ended. */
#include "base/alloc.h"
#include "node/node_int.h"

#define WORDS_BYTES_MAX 4096u
#define LOG_WORDS_BYTES_MAX 2048u
#define LOG_WORDS_LINES_MAX 80u
#define WORDS_MAX 64u

typedef struct node_words {
	struct {
		char id[72];
		sp_str text; /* heap */
	} at[WORDS_MAX];
	size_t n;
} node_words;

static void failed(node_worker *w, sp_str what)
{
	sp_log(w->agent->log, SP_LOG_WARN, "the runtime does not say what a pod has", SP_KS("pod", w->name),
	       SP_KS("err", what));
	node_worker_again(w, NODE_RETRY_NS);
	node_worker_end_turn(w);
}

/* ---- last words ---- */

static sp_str known_words(const node_worker *w, sp_str id, bool *ret_known)
{
	*ret_known = false;
	for (size_t i = 0; w->words != NULL && i < w->words->n; i++) {
		if (sp_str_eq(sp_str_c(w->words->at[i].id), id)) {
			*ret_known = true;
			return w->words->at[i].text;
		}
	}
	return (sp_str){NULL, 0};
}

static void forget_first(node_words *l)
{
	sp_free((void *)(uintptr_t)l->at[0].text.ptr);
	memmove(&l->at[0], &l->at[1], (l->n - 1) * sizeof l->at[0]);
	l->n--;
}

static void remember(node_worker *w, sp_str id, sp_str text)
{
	if (id.len >= sizeof w->words->at[0].id)
		return;
	if (w->words == NULL)
		w->words = SP_NEW(node_words);
	if (w->words->n == WORDS_MAX)
		forget_first(w->words);
	char *to = sp_alloc(text.len + 1);
	if (text.len > 0)
		memcpy(to, text.ptr, text.len);
	memcpy(w->words->at[w->words->n].id, id.ptr, id.len);
	w->words->at[w->words->n].id[id.len] = '\0';
	w->words->at[w->words->n++].text = (sp_str){to, text.len};
}

void node_words_free(node_worker *w)
{
	while (w->words != NULL && w->words->n > 0)
		forget_first(w->words);
	sp_free(w->words);
	w->words = NULL;
}

/* The text of the last lines of a log: what stands after time, stream and tag. */
static sp_str log_words(sp_arena *a, sp_str text)
{
	SP_AUTO_BUF out;
	size_t n_lines = 0, from = text.len;
	while (from > 0 && n_lines <= LOG_WORDS_LINES_MAX) {
		from--;
		n_lines += from > 0 && text.ptr[from - 1] == '\n';
	}
	sp_buf_init(&out, (size_t)1 << 20);
	text = sp_str_sub(text, from, text.len);
	while (text.len > 0) {
		sp_str line, part;
		if (!sp_str_cut(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		bool whole = true; /* time, stream, tag: `part` is the tag */
		for (unsigned field = 0; field < 3 && whole; field++)
			whole = sp_str_cut(&line, ' ', &part);
		if (!whole)
			continue;
		(void)sp_buf_str(&out, line);
		if (sp_str_starts(part, SP_STR("F")))
			(void)sp_buf_char(&out, '\n');
	}
	size_t cut = out.len > LOG_WORDS_BYTES_MAX ? out.len - LOG_WORDS_BYTES_MAX : 0;
	return sp_arena_try_dup(a, sp_str_sub(sp_buf_view(&out), cut, out.len));
}

/* On a worker thread. */
static void read_words(node_worker *w, const node_seen_container *c)
{
	sp_str text = {NULL, 0}, log;
	sp_pod_files *f = w->agent->files;
	if (c->message_file.len != 0)
		(void)f->read_tail(f, c->message_file, WORDS_BYTES_MAX, &w->scratch, &text, NULL);
	if (text.len == 0 && c->falls_back_to_logs && c->exit_code != 0 && c->log_path.len != 0 &&
	    f->read_tail(f, c->log_path, (size_t)64 << 10, &w->scratch, &log, NULL) == SP_OK)
		text = log_words(&w->scratch, log);
	remember(w, c->id, text);
}

static void on_words_job(sp_work *job)
{
	node_worker *w = job->arg;
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		const node_seen_container *c = &w->seen.containers[i];
		bool known;
		(void)known_words(w, c->id, &known);
		if (c->state == NODE_EXITED && !known)
			read_words(w, c);
	}
}

static void apply_words(node_worker *w)
{
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		node_seen_container *c = &w->seen.containers[i];
		bool known;
		sp_str text = known_words(w, c->id, &known);
		if (c->state == NODE_EXITED && text.len != 0)
			c->message = text;
	}
	w->observed(w);
}

static void find_words(node_worker *w)
{
	bool any = false, known;
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		(void)known_words(w, w->seen.containers[i].id, &known);
		any |= w->seen.containers[i].state == NODE_EXITED && !known;
	}
	if (any)
		node_worker_work(w, on_words_job, apply_words);
	else
		apply_words(w);
}

/* ---- status of each ---- */

static bool is_gone(const node_batch_item *i)
{
	return i->status == SP_RPC_NOT_FOUND; /* removed between list and status */
}

/* A container's status does not say it, the list does. */
static sp_str sandbox_of(const node_worker *w, sp_str id)
{
	for (size_t i = 0; i < w->listed->containers.n; i++) {
		if (sp_str_eq(w->listed->containers.at[i].id, id))
			return w->listed->containers.at[i].pod_sandbox_id;
	}
	return (sp_str){NULL, 0};
}

static sp_code add_status(node_worker *w, const node_batch_item *i, sp_err *err)
{
	if (i->method == SP_CRI_POD_SANDBOX_STATUS) {
		const sp_cri_pod_sandbox_status_response *r = i->response;
		return r->status == NULL ? SP_OK
					 : node_seen_add_sandbox(&w->seen, &w->scratch, r->status, err);
	}
	const sp_cri_container_status_response *r = i->response;
	return r->status == NULL ? SP_OK
				 : node_seen_add_container(&w->seen, &w->scratch, r->status,
							   sandbox_of(w, r->status->id), err);
}

static void on_statuses(node_batch *b)
{
	node_worker *w = b->arg;
	sp_err err = {0};
	for (size_t i = 0; i < b->n; i++) {
		if (is_gone(&b->items[i]))
			continue;
		if (b->items[i].status != SP_RPC_OK) {
			failed(w, b->items[i].message);
			return;
		}
		if (add_status(w, &b->items[i], &err) != SP_OK) {
			failed(w, sp_str_c(err.msg));
			return;
		}
	}
	node_seen_sort(&w->seen);
	find_words(w);
}

static void on_lists(node_batch *b)
{
	node_worker *w = b->arg;
	const node_batch_item *bad = node_batch_failed(b);
	sp_err err = {0};
	if (bad != NULL) {
		failed(w, bad->message);
		return;
	}
	const sp_cri_list_pod_sandbox_response *boxes = b->items[0].response;
	const sp_cri_list_containers_response *containers = b->items[1].response;
	size_t n = boxes->items.n + containers->containers.n;
	w->listed = containers;
	if (n == 0) {
		find_words(w);
		return;
	}
	if (node_batch_init(b, w->agent->cri, &w->scratch, n, on_statuses, w, &err) != SP_OK) {
		failed(w, sp_str_c(err.msg));
		return;
	}
	for (size_t i = 0; i < boxes->items.n; i++)
		node_batch_add(b, SP_CRI_POD_SANDBOX_STATUS,
			       &(sp_cri_pod_sandbox_status_request){.pod_sandbox_id = boxes->items.at[i].id},
			       NODE_CALL_TIMEOUT_NS);
	for (size_t i = 0; i < containers->containers.n; i++)
		node_batch_add(
			b, SP_CRI_CONTAINER_STATUS,
			&(sp_cri_container_status_request){.container_id = containers->containers.at[i].id},
			NODE_CALL_TIMEOUT_NS);
}

void node_observe(node_worker *w, void (*then)(node_worker *w))
{
	sp_err err = {0};
	sp_pb_pair label = {SP_STR(NODE_LABEL_POD_UID), w->uid};
	sp_cri_pod_sandbox_filter of_boxes = {.label_selector = {.at = &label, .n = 1}};
	sp_cri_container_filter of_containers = {.label_selector = {.at = &label, .n = 1}};
	w->seen = (node_seen){0};
	w->observed = then;
	if (node_batch_init(&w->batch, w->agent->cri, &w->scratch, 2, on_lists, w, &err) != SP_OK) {
		failed(w, sp_str_c(err.msg));
		return;
	}
	node_batch_add(&w->batch, SP_CRI_LIST_POD_SANDBOX,
		       &(sp_cri_list_pod_sandbox_request){.filter = &of_boxes}, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&w->batch, SP_CRI_LIST_CONTAINERS,
		       &(sp_cri_list_containers_request){.filter = &of_containers}, NODE_CALL_TIMEOUT_NS);
}
