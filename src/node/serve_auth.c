/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks the kubelet API, and whether they may: both are the API server's to say. */
#include "node/serve_int.h"

static void reviewed(sp_review *v, sp_review_verdict verdict)
{
	node_request *r = v->arg;
	switch (verdict) {
	case SP_REVIEW_ALLOWED:
		if (r->serve == NULL)
			node_answer(r, 404, "404 page not found\n");
		else
			r->serve(r);
		return;
	case SP_REVIEW_FORBIDDEN:
		node_answer(r, 403,
			    "Forbidden (user=" SP_FMT ", verb=" SP_FMT
			    ", resource=nodes, subresource(s)=[" SP_FMT "])",
			    SP_ARG(v->user), SP_ARG(v->verb), SP_ARG(r->subresource));
		return;
	case SP_REVIEW_UNKNOWN:
		node_answer(r, 401, "Unauthorized");
		return;
	case SP_REVIEW_FAILED:
		node_answer(r, 500, "Authorization error (user=" SP_FMT "): " SP_FMT, SP_ARG(v->user),
			    SP_ARG(v->message));
		return;
	}
	SP_UNREACHABLE();
}

void node_authenticate(node_request *r)
{
	r->review = (sp_review){.client = r->agent->client,
				.ex = r->ex,
				.kept = &r->agent->reviews,
				.world = r->agent->world,
				.verb = sp_review_verb(r->ex),
				.version = SP_STR("v1"),
				.resource = SP_STR("nodes"),
				.subresource = r->subresource,
				.name = r->agent->opts.node_name,
				.done = reviewed,
				.arg = r};
	sp_review_start(&r->review);
}
