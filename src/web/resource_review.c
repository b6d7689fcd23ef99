/* The resources of the review: thin wrappers over loop/review.h. */
#include "web/site.h"

#include "base/limits.h"

static sl_status answer(sl_web_response *response, sl_status status, json_t *value) {
    if (status) return status;
    sl_web_answer_json(response, 200, value);
    return SL_OK;
}

sl_status sl_web_session(const sl_web_site *site, const sl_web_request *request, sl_web_response *response) {
    (void)request;
    json_t *value = NULL;
    sl_status status = sl_review_session(site->review, &value);
    return answer(response, status, value);
}

sl_status sl_web_items(const sl_web_site *site, const sl_web_request *request, sl_web_response *response) {
    (void)request;
    json_t *value = NULL;
    sl_status status = sl_review_items(site->review, &value);
    return answer(response, status, value);
}

sl_status sl_web_image(const sl_web_site *site, const sl_web_request *request, sl_web_response *response) {
    json_t *value = NULL;
    const char *assignment = request->query(request, "assignment");
    sl_status status = sl_review_image(site->review, request->id, assignment, &value);
    return answer(response, status, value);
}

sl_status sl_web_marks(const sl_web_site *site, const sl_web_request *request, sl_web_response *response) {
    json_t *value = NULL;
    sl_status status = sl_review_marks(site->review, request->id, &value);
    return answer(response, status, value);
}

sl_status sl_web_pixels(const sl_web_site *site, const sl_web_request *request, sl_web_response *response) {
    void *block;
    SL_TRY(sl_review_pixels(site->review, request->id, &block, &response->bytes));
    response->http = 200;
    response->content_type = "application/octet-stream";
    response->data = response->owned = block;
    return SL_OK;
}

sl_status sl_web_decisions(const sl_web_site *site, const sl_web_request *request,
                           sl_web_response *response) {
    json_t *body, *decisions, *value = NULL;
    SL_TRY(sl_json_parse(request->body, request->body_bytes, "request body", &body));
    sl_status status = json_is_object(body) ? sl_json_array(body, "decisions", &decisions)
                                            : sl_fail(SL_FORMAT, "request body is not an object");
    if (!status) status = sl_review_decide(site->review, decisions, &value);
    json_decref(body);
    return answer(response, status, value);
}

sl_status sl_web_events(const sl_web_site *site, const sl_web_request *request, sl_web_response *response) {
    (void)site;
    (void)request;
    response->http = 200;
    response->content_type = "text/event-stream";
    response->events = true;
    return SL_OK;
}
