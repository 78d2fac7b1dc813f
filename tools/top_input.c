#include "top_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "macros.h"

/* How often it may look, milliseconds. */
static const int intervals[] = { 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000 };

static void say(struct top_ui *ui, const char *message)
{
    snprintf(ui->message, sizeof ui->message, "%s", message);
}

/* --- the filter ------------------------------------------------------------------------------ */

static void drop_letter(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && ((unsigned char)text[length - 1] & 0xC0) == 0x80)
        length--;
    if (length > 0)
        length--;
    text[length] = '\0';
}

static enum top_wish edit_filter(struct top_ui *ui, const struct ppi_key_press *press)
{
    if (press->key == PPI_KEY_ENTER || press->key == PPI_KEY_ESCAPE)
        ui->edits_filter = false;
    if (press->key == PPI_KEY_ESCAPE)
        ui->filter[0] = '\0';
    if (press->key == PPI_KEY_BACKSPACE)
        drop_letter(ui->filter);
    if (press->key == PPI_KEY_TEXT && strlen(ui->filter) + strlen(press->text) < sizeof ui->filter)
        strcat(ui->filter, press->text);
    return TOP_DRAW;
}

/* --- the selected client --------------------------------------------------------------------- */

/* Goes steps further in the list; from nothing to its first. */
static void select_client(struct top_ui *ui, const struct top_model *model, int steps)
{
    const struct top_client **rows = bytes_must(calloc(model->client_count + 1, sizeof *rows));
    int count = (int)top_list_clients(model, ui->filter, ui->sort, ui->reverse, rows), at = -1;

    for (int i = 0; i < count; i++)
        if (rows[i]->id == ui->selected)
            at = i;
    at = at < 0 ? 0 : at + steps;
    at = at < 0 ? 0 : at >= count ? count - 1 : at;
    ui->selected = count > 0 ? rows[at]->id : 0;
    free(rows);
}

static bool is_there(const struct top_ui *ui, const struct top_model *model)
{
    for (size_t i = 0; i < model->client_count; i++)
        if (model->clients[i].id == ui->selected)
            return true;
    return false;
}

/* --- keys ------------------------------------------------------------------------------------ */

static void change_interval(struct top_ui *ui, bool longer)
{
    int found = ui->interval_ms;

    for (size_t i = 0; i < COUNT_OF(intervals); i++) {
        if (longer && intervals[i] > ui->interval_ms) {
            found = intervals[i];
            break;
        }
        if (!longer && intervals[i] < ui->interval_ms)
            found = intervals[i];
    }
    ui->interval_ms = found;
}

static enum top_wish letter(struct top_ui *ui, const struct top_model *model, char what)
{
    switch (what) {
    case 'q': return TOP_QUIT;
    case 's': ui->sort = (enum top_sort)((ui->sort + 1) % TOP_SORTS); break;
    case 'S': ui->reverse = !ui->reverse; break;
    case 'f':
    case '/': ui->edits_filter = true; break;
    case 'p':
    case ' ': ui->paused = !ui->paused; return ui->paused ? TOP_DRAW : TOP_LOOK;
    case 'k':
        ui->asks_kick = is_there(ui, model);
        if (!ui->asks_kick)
            say(ui, "select a client first: up, down");
        break;
    case 'e': ui->shows_events = !ui->shows_events; return ui->shows_events ? TOP_EVENTS : TOP_DRAW;
    case '+': change_interval(ui, false); return TOP_LOOK;
    case '-': change_interval(ui, true); break;
    case '?':
    case 'h': ui->shows_help = true; break;
    }
    return TOP_DRAW;
}

static enum top_wish key(struct top_ui *ui, const struct top_model *model,
                         const struct ppi_key_press *press)
{
    enum { PAGE = 10, ALL = 1 << 20 };

    switch (press->key) {
    case PPI_KEY_TEXT: return letter(ui, model, press->text[0]);
    case PPI_KEY_ESCAPE: ui->selected = 0; break;
    case PPI_KEY_UP: select_client(ui, model, -1); break;
    case PPI_KEY_DOWN: select_client(ui, model, 1); break;
    case PPI_KEY_PAGE_UP: select_client(ui, model, -PAGE); break;
    case PPI_KEY_PAGE_DOWN: select_client(ui, model, PAGE); break;
    case PPI_KEY_HOME: select_client(ui, model, -ALL); break;
    case PPI_KEY_END: select_client(ui, model, ALL); break;
    default: break;
    }
    return TOP_DRAW;
}

enum top_wish top_input(struct top_ui *ui, const struct top_model *model,
                        const struct ppi_key_press *press)
{
    if (press->key == PPI_KEY_CLOSED)
        return TOP_QUIT;
    if (press->key == PPI_KEY_REDRAW)
        return TOP_REDRAW;
    ui->message[0] = '\0';
    if (ui->edits_filter)
        return edit_filter(ui, press);
    if (ui->asks_kick) {
        ui->asks_kick = false;
        return press->text[0] == 'y' || press->text[0] == 'Y' ? TOP_KICK : TOP_DRAW;
    }
    if (ui->shows_help) {
        ui->shows_help = false;
        return TOP_DRAW;
    }
    return key(ui, model, press);
}
