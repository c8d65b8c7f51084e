"""What people read, word for word."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.compose import compose, fitting
from alerts.facts import facts_of
from alerts.lengths import gsm7_septets, is_one_sms, ucs2_units, without_diacritics
from alerts.model import Audience, End, NoticeKind, Status, Told
from alerts.samples import NOW, REGISTRY, alarm_at
from alerts.texts import texts_of
from devices.documents import read_yaml
from devices.instants import parse_instant
from devices.stations import LegalLevel, Station, Thresholds, Ward

HUE = Path(__file__).parents[2] / "config" / "hue"
TEXTS = texts_of({f"texts/{path.name}": read_yaml(f"texts/{path.name}", path.read_text()) for path in (HUE / "texts").glob("*.yaml")})


def station(name, river, quantity, levels, wards=("19774", "19753")):
    held = tuple(LegalLevel(number, code, value) for number, (code, value) in enumerate(levels, 1))
    rivers = {"vi": f"sông {river}", "en": f"{river} River"} if river else None
    return Station(name, {"vi": name, "en": name}, rivers, 16.4, 107.6, wards, (Thresholds(quantity, held, 0, None, "05/2020/QĐ-TTg"),))


RIVER = (("bd1", 1.0), ("bd2", 2.0), ("bd3", 3.5), ("historic", 5.81))
STREET = (("d1", 0.3), ("d2", 0.5))
STATIONS = {
    "Kim Long": station("Kim Long", "Hương", "water_level", RIVER),
    "Thượng Nhật": station("Thượng Nhật", "Tả Trạch", "water_level", RIVER),
    "Phú Ốc": station("Phú Ốc", "Bồ", "water_level", RIVER),
    "Hồ Truồi": station("Hồ Truồi", None, "water_level", RIVER),
    "Đập Đá": station("Đập Đá", None, "water_depth", STREET),
    "Đường Nguyễn Hoàng (ví dụ)": station("Đường Nguyễn Hoàng (ví dụ)", None, "water_depth", STREET),
}
WARDS = {
    "19774": Ward("19774", {"vi": "P. Kim Long", "en": "Kim Long ward"}),
    "19753": Ward("19753", {"vi": "P. Phú Xuân", "en": "Phú Xuân ward"}),
}
CITY = replace(REGISTRY, hotline="19001075", stations=STATIONS, wards=WARDS)


def write(
    kind,
    level,
    was=0,
    value=3.62,
    *,
    at="Kim Long",
    observed="07:20",
    status=Status.ACTUAL,
    audience=Audience.RESIDENTS,
    told=None,
    **changes,
):
    alarm = replace(alarm_at(STATIONS[at], value, status), observed_at=parse_instant(f"2025-10-27T{observed}:00+07:00"), **changes)
    return compose(facts_of(alarm, kind, level=level, was=was, registry=CITY, now=NOW, audience=audience, told=told), TEXTS)


def told_at(clock, end=None):
    return Told("0123456789abcdef", Audience.RESIDENTS, told_at=parse_instant(f"2025-10-27T{clock}:00+07:00"), end=end)


def every_text():
    places = [(name, found, levels) for name, found in STATIONS.items() for levels in (4 if found.river or name == "Hồ Truồi" else 2,)]
    for name, _, levels in places:
        for kind in NoticeKind:
            for level in range(levels + 1):
                for was in range(levels + 1):
                    if _can_be(kind, level, was):
                        for status in Status:
                            for audience in Audience:
                                value = None if level == was == 1 else 0.05 if level == 0 else 0.3 * level
                                notice = write(kind, level, was, value, at=name, status=status, audience=audience, told=told_at("06:41"))
                                yield kind, level, status, audience, notice


def _can_be(kind, level, was):
    if kind in (NoticeKind.ALL_CLEAR, NoticeKind.CLOSED):
        return level == 0 < was
    if kind in (NoticeKind.WARNING, NoticeKind.WARNING_AGAIN):
        return was == 0 < level
    if kind is NoticeKind.WORSE:
        return 0 < was < level
    if kind is NoticeKind.EASING:
        return 0 < level < was
    return level < was if kind is NoticeKind.CORRECTION else 0 < level == was


EVERY = list(every_text())


def test_a_warning_says_place_number_action_clock_and_hotline():
    notice = write(NoticeKind.WARNING, 3)

    assert notice["vi"]["title"] == "Lũ sông Hương tại Kim Long vượt báo động 3, mức lũ lớn"
    assert notice["vi"]["body"] == (
        "Mực nước sông Hương tại Kim Long lúc 07:20 ngày 27/10/2025 là 3,62 m, trên báo động 3 (3,50 m) 0,12 m. "
        "Nước đang lên 0,11 m mỗi giờ. Khu vực: P. Kim Long, P. Phú Xuân. "
        "Làm ngay: đưa người và đồ lên cao, ngắt điện, không đi qua nước chảy. "
        "Cần hỗ trợ gọi 19001075; có người gặp nạn gọi 112. Sẽ có tin tiếp khi nước đổi mức và khi hết cảnh báo. "
        "Đây là thông báo số đo quan trắc; bản tin lũ, ngập lụt chính thức do Đài Khí tượng Thủy văn TP Huế phát hành."
    )
    assert notice["vi"]["short"] == "Lũ sông Hương vượt báo động 3. Lên cao, ngắt điện. Gọi 19001075"


def test_english_says_the_same_sentence_for_sentence():
    notice = write(NoticeKind.WARNING, 3)

    assert notice["en"]["title"] == "Flood on the Hương River at Kim Long above alarm level 3, large flood"
    assert notice["en"]["body"] == (
        "The water level on the Hương River at Kim Long at 07:20 on 27 Oct 2025 was 3.62 m, 0.12 m above alarm level 3 (3.50 m). "
        "The water is rising 0.11 m per hour. Area: Kim Long ward, Phú Xuân ward. "
        "Do this now: move people and belongings up, switch off electricity, do not cross moving water. "
        "For help call 19001075; if someone is in danger call 112. "
        "We will tell you when the level changes and when the warning is over. "
        "This is a notice of measured values; official flood bulletins are issued by the Hue hydro-meteorological station."
    )
    assert notice["en"]["short"] == (
        "Flood on the Huong River at Kim Long above alarm level 3 at 07:20 on 27 Oct. Move up, switch off electricity. Call 19001075"
    )


def test_an_exercise_begins_with_saying_so():
    notice = write(NoticeKind.WARNING, 3, status=Status.EXERCISE)

    assert notice["vi"]["title"] == "DIỄN TẬP: Lũ sông Hương tại Kim Long vượt báo động 3, mức lũ lớn"
    assert notice["vi"]["body"].startswith("DIỄN TẬP, không phải cảnh báo thật. Mực nước sông Hương tại Kim Long lúc 07:20")
    assert notice["vi"]["short"] == "DIỄN TẬP. Lũ sông Hương vượt báo động 3. Lên cao, ngắt điện"
    assert notice["en"]["title"].startswith("EXERCISE: Flood on the Hương River")


def test_a_level_reached_to_the_centimetre_is_reached_not_passed():
    notice = write(NoticeKind.WARNING, 2, value=2.0)

    assert notice["vi"]["title"] == "Lũ sông Hương tại Kim Long đạt báo động 2, mức lũ trung bình"
    assert "là 2,00 m, bằng báo động 2 (2,00 m)." in notice["vi"]["body"]


def test_a_record_flood_is_named_as_forecasters_do():
    notice = write(NoticeKind.WORSE, 4, 3, 5.9)

    assert notice["vi"]["title"] == "Lũ sông Hương tại Kim Long lên cao hơn, vượt lũ lịch sử, mức lũ đặc biệt lớn"
    assert "là 5,90 m, trên lũ lịch sử (5,81 m) 0,09 m. Cảnh báo được nâng từ báo động 3 lên lũ lịch sử." in notice["vi"]["body"]


def test_a_warning_after_an_all_clear_names_it():
    notice = write(NoticeKind.WARNING_AGAIN, 2, value=2.1, told=told_at("05:10", End.CLEARED))

    assert notice["vi"]["title"] == "Lũ sông Hương tại Kim Long lại vượt báo động 2, mức lũ trung bình"
    assert "Tin kết thúc cảnh báo lúc 05:10 ngày 27/10/2025 không còn hiệu lực." in notice["vi"]["body"]
    assert "The notice of 05:10 on 27 Oct 2025 that the warning was over no longer holds." in notice["en"]["body"]


def test_easing_keeps_the_warning_in_force():
    peak_at = parse_instant("2025-10-27T20:00:00+07:00")

    notice = write(NoticeKind.EASING, 2, 3, 3.38, peak=5.05, peak_at=peak_at, trend=-0.06)

    assert notice["vi"]["title"] == "Lũ sông Hương tại Kim Long giảm từ báo động 3 xuống báo động 2, cảnh báo vẫn còn hiệu lực"
    assert (
        "Nước đang xuống 0,06 m mỗi giờ. Mức cao nhất là 5,05 m lúc 20:00 ngày 27/10/2025, trên báo động 3 (3,50 m) 1,55 m."
        in (notice["vi"]["body"])
    )
    assert "Cảnh báo báo động 2 vẫn còn hiệu lực." in notice["vi"]["body"]


def test_a_correction_is_not_an_all_clear():
    notice = write(NoticeKind.CORRECTION, 0, 3, 0.85, told=told_at("06:41"))

    assert notice["vi"]["title"] == "Đính chính: lũ sông Hương tại Kim Long không lên tới báo động 3"
    assert notice["vi"]["body"].startswith(
        "Tin về báo động 3 phát lúc 06:41 ngày 27/10/2025 không đúng, theo số đo nhận được sau đó. "
        "Mực nước sông Hương tại Kim Long lúc 07:20 ngày 27/10/2025 là 0,85 m, dưới báo động 1 (1,00 m) 0,15 m."
    )
    assert "vì đây không phải tin hết lũ" in notice["vi"]["body"]
    assert "Hết cảnh báo" not in "".join(notice["vi"].values())


def test_a_correction_of_the_higher_level_alone_keeps_the_lower_warning():
    notice = write(NoticeKind.CORRECTION, 2, 3, 2.9, told=told_at("06:41"))

    assert notice["vi"]["title"] == "Đính chính: lũ sông Hương tại Kim Long ở báo động 2, không phải báo động 3"
    assert "Cảnh báo báo động 2 vẫn còn hiệu lực." in notice["vi"]["body"]
    assert "không phải tin hết lũ" not in notice["vi"]["body"]


def test_a_silent_gauge_keeps_its_warning_in_force():
    notice = write(NoticeKind.LOST, 3, 3, 4.9, observed="06:10")

    assert notice["vi"]["title"] == "Trạm Kim Long mất tín hiệu, cảnh báo báo động 3 vẫn còn hiệu lực"
    assert notice["vi"]["body"].startswith(
        "Trạm đo sông Hương tại Kim Long mất tín hiệu, lần cuối 4,90 m lúc 06:10 ngày 27/10/2025, cảnh báo vẫn còn hiệu lực. "
        "Số đo lần cuối trên báo động 3 (3,50 m) 1,40 m; chưa biết mực nước hiện tại."
    )
    assert "hãy coi như nước vẫn đang lên" in notice["vi"]["body"]
    assert notice["vi"]["short"] == "Trạm Kim Long mất tín hiệu, lần cuối 4,90 m, còn cảnh báo"


def test_an_all_clear_tells_peak_and_first_safe_step():
    peak_at = parse_instant("2025-10-27T20:00:00+07:00")

    notice = write(NoticeKind.ALL_CLEAR, 0, 2, 0.88, peak=5.05, peak_at=peak_at, trend=-0.02)

    assert notice["vi"]["title"] == "Hết cảnh báo lũ sông Hương tại Kim Long"
    assert "Mức cao nhất là 5,05 m lúc 20:00 ngày 27/10/2025" in notice["vi"]["body"]
    assert "kiểm tra nhà và đường điện trước khi đóng cầu dao" in notice["vi"]["body"]
    assert notice["vi"]["short"] == "Hết cảnh báo lũ sông Hương tại Kim Long lúc 07:24 27/10. Gọi 19001075"


def test_an_end_by_an_operator_gives_the_reason():
    notice = write(NoticeKind.CLOSED, 0, 3, 4.9, handling_reason="Trạm bị nước cuốn,\n đội tuần tra xác nhận nước rút.")

    assert notice["vi"]["body"].startswith(
        "Trung tâm điều hành kết thúc cảnh báo sông Hương tại Kim Long, lý do: Trạm bị nước cuốn, đội tuần tra xác nhận nước rút. "
        "Số đo lần cuối là 4,90 m lúc 07:20 ngày 27/10/2025"
    )


def test_operators_are_told_what_is_missing_to_the_next_level():
    notice = write(NoticeKind.WARNING, 3, audience=Audience.OPERATORS)

    assert "Còn 2,19 m tới lũ lịch sử (5,81 m)." in notice["vi"]["body"]
    assert "Trạm Kim Long, cảnh báo 0123456789abcdef." in notice["vi"]["body"]


def test_a_flooded_street_has_words_of_its_own():
    notice = write(NoticeKind.WARNING, 1, value=0.35, at="Đập Đá", trend=0.2)

    assert notice["vi"]["title"] == "Ngập nước tại Đập Đá vượt mức ngập 1, xe máy dễ chết máy"
    assert notice["vi"]["body"].startswith(
        "Nước tại Đập Đá lúc 07:20 ngày 27/10/2025 sâu 0,35 m, trên mức ngập 1 (0,30 m) 0,05 m. Nước đang lên nhanh, 0,20 m mỗi giờ."
    )
    assert "báo động" not in notice["vi"]["body"]
    assert notice["vi"]["short"] == "Ngập nước tại Đập Đá sâu 0,35 m. Tránh đoạn ngập. Gọi 19001075"


def test_every_short_text_is_one_sms_and_vietnamese_keeps_its_diacritics():
    shorts = [(notice["vi"]["short"], notice["en"]["short"]) for *_, notice in EVERY]

    assert len(shorts) > 800
    assert max(ucs2_units(vi) for vi, _ in shorts) <= 70
    assert all(gsm7_septets(en) is not None and is_one_sms(en) for _, en in shorts)
    assert all(without_diacritics(vi) != vi for vi, _ in shorts)


def test_an_exercise_says_so_first_in_every_text_and_earnest_never_does():
    for _, _, status, _, notice in EVERY:
        for language, label in (("vi", "DIỄN TẬP"), ("en", "EXERCISE")):
            for text in notice[language].values():
                assert text.startswith(label) is (status is Status.EXERCISE)
                assert (label in text) is (status is Status.EXERCISE)


def test_no_words_in_capitals_but_the_label():
    for *_, notice in EVERY:
        for text in (text for language in notice.values() for text in language.values()):
            rest = text.removeprefix("DIỄN TẬP").removeprefix("EXERCISE").replace("TP Huế", "")
            assert not re.search(r"\b[^\W\d_]{2,}\b", "".join(letter if letter.isupper() else " " for letter in rest)), text


def test_every_text_is_composed_unicode_on_one_line():
    for *_, notice in EVERY:
        for text in (text for language in notice.values() for text in language.values()):
            assert text == unicodedata.normalize("NFC", text)
            assert text == " ".join(text.split())


def test_every_body_tells_residents_whom_to_call_and_where_official_bulletins_come_from():
    for kind, _, _, audience, notice in EVERY:
        assert notice["vi"]["body"].endswith("do Đài Khí tượng Thủy văn TP Huế phát hành.")
        assert notice["en"]["body"].endswith("are issued by the Hue hydro-meteorological station.")
        if audience is Audience.RESIDENTS:
            assert "gọi 19001075" in notice["vi"]["body"], kind
            assert notice["vi"]["body"].count("Làm ngay:") + notice["vi"]["body"].count("Việc cần làm:") == 1, (kind, notice["vi"]["body"])


def test_both_languages_have_the_same_sentences_and_the_same_numbers():
    for *_, notice in EVERY:
        vi, en = notice["vi"]["body"], notice["en"]["body"]
        assert len(re.findall(r"\. |\.$", vi)) - vi.count("P. ") == len(re.findall(r"\. |\.$", en)), (vi, en)
        assert sorted(re.findall(r"\d+,\d\d", vi)) == sorted(number.replace(".", ",") for number in re.findall(r"\d+\.\d\d", en))


def test_level_names_are_spelt_out():
    assert not [notice for *_, notice in EVERY if "BĐ" in "".join(notice["vi"].values())]


def test_only_an_end_says_that_it_is_over():
    for kind, _, _, _, notice in EVERY:
        says_over = "hết cảnh báo lũ" in notice["vi"]["title"].casefold() or "hết cảnh báo ngập" in notice["vi"]["title"].casefold()
        assert says_over is (kind is NoticeKind.ALL_CLEAR)


def test_the_fullest_text_that_goes_into_one_sms_is_chosen():
    assert fitting(["đ" * 71, "đ" * 70, "đ"], "ucs2") == "đ" * 70
    assert fitting(["đ" * 71, "đ" * 100], "ucs2") == "d" * 71
    assert fitting(["đ" * 71], "gsm7") == "d" * 71
    assert fitting(["đ" * 300, "đ" * 200], "ucs2") == "d" * 200


@pytest.mark.parametrize(("text", "septets"), [("Kim Long", 8), ("[€]", 6), ("Hương", None)])
def test_septets_are_counted_by_the_alphabet(text, septets):
    assert gsm7_septets(text) == septets


def test_diacritics_are_taken_off():
    assert without_diacritics("Lũ sông Hương vượt báo động 3 tại Đập Đá") == "Lu song Huong vuot bao dong 3 tai Dap Da"
