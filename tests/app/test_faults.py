from app import errors, faults


def test_a_fault_is_told_in_two_sentences():
    fault = faults.Fault("n", "1..400", faults.echo(0), "Use 1 to 400.", "out_of_range")
    assert fault.summary == "expected 1..400. Received: 0."


def test_errors_have_them_too():
    assert errors.Fault is faults.Fault
    assert errors.echo("9" * 81) == "9" * 77 + "..."
